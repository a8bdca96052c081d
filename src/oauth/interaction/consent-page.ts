/** The consent page: who asks, where the answer goes, what for; and the ways to sign in. Shown before any of them is called. */
import { escapeHtml, htmlPage } from '#http/page.ts';
import { houseClientId } from '#oauth/connect/house-client.ts';
import type { ResourceRules } from '#oauth/resource.ts';
import { type Asked, approvalOf, clientHost, plainName } from './asked.ts';
import { type Problem, problems } from './texts.ts';
import { describeResource, describeScopes } from './words.ts';

export interface SignInChoice {
  readonly name: string;
  readonly title: string;
  readonly method: 'redirect' | 'password';
}

export interface ConsentPage {
  readonly asked: Asked;
  readonly rules: ResourceRules;
  /** Where the forms go. */
  readonly action: string;
  readonly csrf: string;
  /** Signed in as; undefined: the choices are shown. */
  readonly person: string | undefined;
  readonly choices: readonly SignInChoice[];
  readonly problem: Problem | undefined;
}

export function consentPage(page: ConsentPage): string {
  const name = nameOf(page.asked);
  const main = [
    '<p class="state">Gatehouse</p>',
    ...(page.problem
      ? [`<p class="note" role="alert"><strong>${escapeHtml(problems[page.problem])}</strong></p>`]
      : []),
    isHouse(page.asked) ? '<h1>Sign in to Gatehouse</h1>' : `<h1><bdi>${escapeHtml(name)}</bdi> asks for access</h1>`,
    `<p>${page.person === undefined ? 'Sign in only if you started this yourself, just now.' : 'Allow it only if you started this yourself, just now.'}</p>`,
    facts(page),
    ...warnings(page.asked),
    ...(page.person === undefined ? signInForms(page) : [allowForm(page, page.person)]),
  ];
  return htmlPage({ title: `${name}: access to Gatehouse`, main: main.join('\n'), narrow: true });
}

/** A page of this gateway itself: nothing leaves, and nobody else can have this id. */
const isHouse = ({ client }: Asked) => client.clientId === houseClientId;

export function nameOf({ client }: Pick<Asked, 'client'>): string {
  return plainName(client.clientName) ?? clientHost(client.clientId) ?? 'An application without a name';
}

function facts({ asked, rules }: ConsentPage): string {
  const list = (lines: readonly string[]) => `<ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>`;
  const reaches = asked.resources.map((resource) => describeResource(resource, rules));
  const may = describeScopes(asked.scopes);
  const from = clientHost(asked.client.clientId);
  const rows: readonly (readonly [string, string])[] = [
    ['Access goes to', `<bdi>${escapeHtml(destination(asked))}</bdi>`],
    ...(from === undefined ? [] : [['Described at', `<bdi>${escapeHtml(from)}</bdi>`] as const]),
    ['It would reach', reaches.map((line) => `<bdi>${escapeHtml(line)}</bdi>`).join('<br>')],
    ...(may.length === 0 ? [] : [['It could', list(may)] as const]),
  ];
  return `<dl>${rows.map(([term, value]) => `<div><dt>${term}</dt><dd>${value}</dd></div>`).join('\n')}</dl>`;
}

function destination(asked: Asked): string {
  const { redirectKind, redirectHost } = asked;
  if (isHouse(asked)) return `This gateway's own pages (${redirectHost})`;
  if (redirectKind === 'web') return redirectHost;
  if (redirectKind === 'loopback') return `${redirectHost} (a program on this computer)`;
  if (redirectKind === 'app') return `${redirectHost} (an app on this device)`;
  return redirectKind === 'device' ? 'The device that shows the code' : 'You: a code to copy';
}

function warnings(asked: Asked): readonly string[] {
  const { client, redirectKind } = asked;
  if (isHouse(asked)) return [];
  const note = (head: string, text: string) => `<p class="note"><strong>${head}</strong> ${text}</p>`;
  const found: string[] = [];
  if (redirectKind === 'loopback') {
    found.push(
      note(
        'A program on this computer.',
        'Any program that runs here could claim this name. Go on only if you started it.',
      ),
    );
  }
  if (redirectKind === 'app') {
    found.push(
      note('An app on this device.', 'Another app could have claimed its address. Go on only if you started it.'),
    );
  }
  if (redirectKind === 'device') {
    found.push(
      note(
        'Another device.',
        'Nobody who sent you a code should be let in: go on only if the device is yours and in front of you.',
      ),
    );
  }
  if (redirectKind === 'out-of-band') {
    found.push(note('A code to copy.', 'Paste it only where you started, and give it to nobody.'));
  }
  if (clientHost(client.clientId) === undefined) {
    found.push(note('Unverified.', 'This application gave its name itself; nobody has checked it.'));
  }
  return found;
}

function form({ action, csrf, asked }: ConsentPage, inside: string): string {
  return `<form method="post" action="${escapeHtml(action)}" autocomplete="off">
<input type="hidden" name="csrf" value="${escapeHtml(csrf)}">
<input type="hidden" name="shown" value="${approvalOf(asked)}">
${inside}
</form>`;
}

function allowForm(page: ConsentPage, person: string): string {
  return form(
    page,
    `<p>You are signed in as <strong><bdi>${escapeHtml(person)}</bdi></strong>.
<button class="link" type="submit" name="do" value="sign-out">Not you? Sign out</button></p>
<button class="main" type="submit" name="do" value="allow">Allow</button>
<button type="submit" name="do" value="deny">Deny</button>`,
  );
}

function signInForms(page: ConsentPage): readonly string[] {
  const passwords = page.choices.filter((choice) => choice.method === 'password');
  const redirects = page.choices.filter((choice) => choice.method === 'redirect');
  const single = page.choices.length === 1;
  const buttons = redirects.map(
    ({ name, title }) =>
      `<button${single ? ' class="main"' : ''} type="submit" name="with" value="${escapeHtml(name)}">Continue with ${escapeHtml(title)}</button>`,
  );
  return [
    ...(buttons.length > 0 ? [form(page, buttons.join('\n'))] : []),
    ...(buttons.length > 0 && passwords.length > 0 ? ['<p class="or">or</p>'] : []),
    ...passwords.map((choice) => passwordForm(page, choice)),
    form(page, '<button type="submit" name="do" value="deny">Deny</button>'),
  ];
}

function passwordForm(page: ConsentPage, { name, title }: SignInChoice): string {
  const invalid = page.problem === 'password' ? ' aria-invalid="true"' : '';
  const field = (id: string, label: string, rest: string) =>
    `<label for="${id}">${label}</label>\n<input id="${id}" name="${id}" required maxlength="256"${invalid} ${rest}>`;
  return form(
    page,
    `<div role="group" aria-label="${escapeHtml(title)}">
${field('username', 'Username', 'autocomplete="username" autocapitalize="none" spellcheck="false"')}
${field('password', 'Password', 'type="password" autocomplete="current-password"')}
<button class="main" type="submit" name="with" value="${escapeHtml(name)}">Sign in and allow</button>
</div>`,
  );
}
