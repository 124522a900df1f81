// Where the routes are: beside the page. A page below a path of the site finds those that are mounted with it.

export const base = new URL('v1/', globalThis.document?.baseURI ?? 'http://localhost/').pathname;
