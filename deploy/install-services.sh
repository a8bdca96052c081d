#!/bin/sh
# Installs what deploy/setup.sh rendered, and starts it.
#   deploy/install-services.sh [--user | --system] [--from FOLDER] [--dry-run]
# User units: nobody's rights but yours; `loginctl enable-linger` keeps them running after you leave.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
scope=user from=$here/rendered run=
while [ $# -gt 0 ]; do
  case $1 in
    --user) scope=user ;;
    --system) scope=system ;;
    --from) from=$2; shift ;;
    --dry-run) run=echo ;;
    *) echo "install-services.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done

[ -f "$from/gatehouse.service" ] || { echo "install-services.sh: run deploy/setup.sh first" >&2; exit 1; }
if [ "$scope" = system ]; then
  units=/etc/systemd/system folder=/var/lib/gatehouse ctl="systemctl"
  grep -q '^User=gatehouse$' "$from/gatehouse.service" || { echo "install-services.sh: rendered for a user: deploy/setup.sh --system" >&2; exit 1; }
  id gatehouse >/dev/null 2>&1 || $run useradd --system --home-dir "$folder" --shell /usr/sbin/nologin gatehouse
  $run install -d -o gatehouse -g gatehouse -m 700 "$folder"
  $run install -o gatehouse -g gatehouse -m 600 "$from/gatehouse.env" "$folder/gatehouse.env"
  if grep -q '^TLS_KEY_PATH=' "$from/gatehouse.env"; then
    # After a renewal run this again: the gateway notices new files by itself.
    $run install -d -o gatehouse -g gatehouse -m 700 "$folder/tls"
    $run install -o gatehouse -g gatehouse -m 600 "$(sed -n 1p "$from/tls.paths")" "$folder/tls/cert.pem"
    $run install -o gatehouse -g gatehouse -m 600 "$(sed -n 2p "$from/tls.paths")" "$folder/tls/key.pem"
  fi
else
  units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user folder=${XDG_DATA_HOME:-$HOME/.local/share}/gatehouse ctl="systemctl --user"
  $run mkdir -p "$units" "$folder"
  $run install -m 600 "$from/gatehouse.env" "$folder/gatehouse.env"
fi
$run install -m 644 "$from/gatehouse.service" "$units/gatehouse.service"
enabled=gatehouse
if [ -f "$from/caddy-mcp.service" ]; then
  if [ "$scope" = system ]; then
    $run install -d -m 755 /etc/gatehouse
    $run install -m 644 "$from/Caddyfile" /etc/gatehouse/Caddyfile
    $run install -m 644 "$from/caddy-mcp.service" "$units/caddy-mcp.service"
    enabled="gatehouse caddy-mcp"
  else
    echo "Caddy is a unit of the machine; as root: install -D -m 644 $from/Caddyfile /etc/gatehouse/Caddyfile && install -m 644 $from/caddy-mcp.service /etc/systemd/system/ && systemctl enable --now caddy-mcp"
  fi
fi
$run $ctl daemon-reload
# shellcheck disable=SC2086
$run $ctl enable --now $enabled
echo "journalctl${scope:+ --$scope} -u gatehouse -f    shows what it says"
