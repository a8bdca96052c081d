import type { Config } from '#config/load.ts';
import { type ProxyChoice, type ProxySettings, proxyChoice } from '#http/proxy-choice.ts';

/** HTTP_PROXY, HTTPS_PROXY and NO_PROXY, for everything that goes out. */
export const proxySettings = ({ egress }: Pick<Config, 'egress'>): ProxySettings => ({
  http: egress.httpProxy,
  https: egress.httpsProxy,
  none: egress.noProxy.join(','),
});

export const configuredProxy = (config: Pick<Config, 'egress'>): ProxyChoice => proxyChoice(proxySettings(config));
