#!/bin/sh
# Renders the templates of this folder from .env into deploy/rendered/ and installs nothing.
#   deploy/setup.sh [--user | --system] [--caddy] [--env FILE] [--out FOLDER]
# --user    a unit of the user who runs it (default), --system: a unit of the machine, as user `gatehouse`
# --caddy   TLS ends in Caddy; without it the gateway itself serves TLS_CERT_PATH and TLS_KEY_PATH
# .env needs GATEWAY_DOMAIN and ENCRYPTION_KEY, and both TLS paths.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
scope=user edge=own env_file=$here/../.env out=$here/rendered
while [ $# -gt 0 ]; do
  case $1 in
    --user) scope=user ;;
    --system) scope=system ;;
    --caddy) edge=caddy ;;
    --env) env_file=$2; shift ;;
    --out) out=$2; shift ;;
    *) echo "setup.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done

fail() { echo "setup.sh: $1" >&2; exit 1; }

[ -f "$env_file" ] || fail "there is no $env_file: copy .env.example"
env_file=$(cd "$(dirname "$env_file")" && pwd)/$(basename "$env_file")
set -a
# shellcheck disable=SC1090
. "$env_file"
set +a
: "${TLS_CERT_PATH:=$HOME/tls/cert.pem}" "${TLS_KEY_PATH:=$HOME/tls/key.pem}"
[ -n "${GATEWAY_DOMAIN:-}" ] || fail "GATEWAY_DOMAIN is required, for example mcp.example.com"
[ -n "${ENCRYPTION_KEY:-}" ] || fail "ENCRYPTION_KEY is required: openssl rand -base64 32"
case $GATEWAY_DOMAIN in *[!A-Za-z0-9.-]*) fail "GATEWAY_DOMAIN is a host name, without https://" ;; esac
[ -r "$TLS_CERT_PATH" ] || fail "$TLS_CERT_PATH cannot be read: TLS_CERT_PATH names the certificate"
[ -r "$TLS_KEY_PATH" ] || fail "$TLS_KEY_PATH cannot be read: TLS_KEY_PATH names its key"
mode=$(stat -c %a "$TLS_KEY_PATH")
case $mode in 600 | 400) ;; *) fail "$TLS_KEY_PATH is open to others (mode $mode): chmod 600 $TLS_KEY_PATH" ;; esac

command=${GATEHOUSE_COMMAND:-$(command -v gatehouse || command -v mcp-gateway || echo "$(command -v node) $here/../bin/gatehouse.mjs")}
if [ "$scope" = system ]; then
  folder=/var/lib/gatehouse wanted=multi-user.target
  # A user manager cannot grant these; what the gateway writes is below its folder.
  system_only='User=gatehouse\
Group=gatehouse\
StateDirectory=gatehouse\
ProtectSystem=strict\
ProtectHome=true\
PrivateTmp=true\
PrivateDevices=true\
ProtectKernelTunables=true\
ProtectKernelModules=true\
ProtectControlGroups=true'
else
  folder=${XDG_DATA_HOME:-$HOME/.local/share}/gatehouse wanted=default.target system_only=
fi
port=${PORT:-3000}
if [ "$edge" = own ]; then
  port=${PORT:-443}
  # Ports below 1024 are a machine's own: a user's unit listens above, or after
  # `sysctl net.ipv4.ip_unprivileged_port_start=443`.
  [ "$scope" = user ] || system_only="$system_only"'\
AmbientCapabilities=CAP_NET_BIND_SERVICE\
CapabilityBoundingSet=CAP_NET_BIND_SERVICE'
fi

tls_cert=$TLS_CERT_PATH tls_key=$TLS_KEY_PATH
if [ "$scope" = system ]; then
  # The key stays its owner's: install-services.sh gives the unit's user a copy.
  tls_cert=$folder/tls/cert.pem tls_key=$folder/tls/key.pem
fi

umask 077
mkdir -p "$out"
render() {
  sed -e "s|@GATEWAY_DOMAIN@|$GATEWAY_DOMAIN|g" -e "s|@TLS_CERT_PATH@|$TLS_CERT_PATH|g" \
    -e "s|@TLS_KEY_PATH@|$TLS_KEY_PATH|g" -e "s|@PORT@|$port|g" -e "s|@FOLDER@|$folder|g" \
    -e "s|@COMMAND@|$command|g" -e "s|@WANTED_BY@|$wanted|g" -e "s|@CONFIG@|/etc/gatehouse|g" \
    -e "s|@SYSTEM_ONLY@|$system_only|g" "$1" >"$out/$2"
}
render "$here/systemd/gatehouse.service.template" gatehouse.service

# What the unit is started with: .env as systemd reads it, one value a line, and what follows from it.
{
  grep -oE '^[[:space:]]*(export[[:space:]]+)?[A-Za-z_][A-Za-z0-9_]*=' "$env_file" | tr -d ' \t' |
    sed -e 's/^export//' -e 's/=$//' | sort -u | while read -r name; do
    case $name in
      GATEWAY_DOMAIN | TLS_CERT_PATH | TLS_KEY_PATH | HOST | PORT | BASE_URL | TRUSTED_PROXIES | NODE_ENV | DATA_DIR) continue ;;
    esac
    eval "value=\${$name}"
    printf '%s="%s"\n' "$name" "$(printf %s "$value" | sed -e 's/[\\"$`]/\\&/g')"
  done
  echo "NODE_ENV=${NODE_ENV:-}"
  echo "DATA_DIR=${DATA_DIR:-$folder/data}"
  echo "BASE_URL=${BASE_URL:-https://$GATEWAY_DOMAIN}"
  echo "PORT=$port"
  if [ "$edge" = own ]; then
    echo "HOST=${HOST:-0.0.0.0}"
    echo "TLS_CERT_PATH=$tls_cert"
    echo "TLS_KEY_PATH=$tls_key"
  else
    # Nobody but Caddy on this machine.
    echo "HOST=127.0.0.1"
    echo "TRUSTED_PROXIES=127.0.0.1"
  fi
} >"$out/gatehouse.env"

printf '%s\n%s\n' "$TLS_CERT_PATH" "$TLS_KEY_PATH" >"$out/tls.paths"

rm -f "$out/Caddyfile" "$out/caddy-mcp.service"
if [ "$edge" = caddy ]; then
  render "$here/caddy/Caddyfile.template" Caddyfile
  render "$here/systemd/caddy-mcp.service.template" caddy-mcp.service
fi
echo "rendered into $out: $(ls "$out" | tr '\n' ' ')"
