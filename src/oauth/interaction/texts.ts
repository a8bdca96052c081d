/** Every sentence that an address may ask for by its key: nothing of an address is ever shown. */

/** On the consent page, after another try is needed. */
export const problems = {
  password: 'That username and password do not fit.',
  attempts: 'Too many tries: wait a few minutes.',
  unavailable: 'The identity provider cannot be reached right now: try again, or another way to sign in.',
} as const;

export type Problem = keyof typeof problems;

export interface Notice {
  readonly status: number;
  readonly title: string;
  readonly text: string;
}

const again = 'Go back to your application and start again from there.';

const askedQuietly = {
  status: 400,
  title: 'Nobody can be signed in quietly',
  text: 'The application asked for an answer without a question to you, and there is one. Start again from there.',
} as const;

export const notices = {
  invalid_state: {
    status: 400,
    title: 'This sign-in was not started here',
    text: `It was started in another browser, was used already, or took too long. ${again}`,
  },
  expired: {
    status: 400,
    title: 'This sign-in is over',
    text: `It is finished already, or it took too long. ${again}`,
  },
  other_session: {
    status: 400,
    title: 'You signed in or out in another tab',
    text: `So this page no longer fits. ${again}`,
  },
  refused_form: {
    status: 403,
    title: 'This form was not sent from our page',
    text: `It may have been sent by another site, or cookies are switched off. ${again}`,
  },
  login_required: askedQuietly,
  consent_required: askedQuietly,
  interaction_required: askedQuietly,
  access_denied: {
    status: 403,
    title: 'No access',
    text: 'The account may not sign in here, or access was refused. Ask whoever runs this gateway.',
  },
  server_error: {
    status: 500,
    title: 'Something went wrong here',
    text: 'Try again in a moment. If it stays, tell whoever runs this gateway.',
  },
  temporarily_unavailable: {
    status: 503,
    title: 'Not reachable right now',
    text: 'The identity provider or our storage did not answer. Try again in a moment.',
  },
  too_many: {
    status: 429,
    title: 'Too many sign-ins were begun',
    text: 'From the network that you are in, in the last minute. Wait one, then start again from your application.',
  },
  invalid_client: {
    status: 400,
    title: 'Unknown application',
    text: 'The application that sent you is not registered here, or its registration has ended. Remove the connection in your application and add it again.',
  },
  invalid_redirect_uri: {
    status: 400,
    title: 'Wrong return address',
    text: 'The application asked to be answered at an address that it has not registered. Nothing was sent there.',
  },
  invalid_target: {
    status: 400,
    title: 'Unknown address',
    text: 'The application asked for something that is not behind this gateway. Check the MCP address in your application.',
  },
  invalid_request: {
    status: 400,
    title: 'This request cannot be answered',
    text: `Something in the address is missing or wrong. ${again}`,
  },
} as const satisfies Record<string, Notice>;

export type NoticeKey = keyof typeof notices;

export const isNoticeKey = (key: unknown): key is NoticeKey => typeof key === 'string' && Object.hasOwn(notices, key);
