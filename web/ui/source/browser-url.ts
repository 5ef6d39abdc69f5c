/** What tus-js-client asks of `url-parse`: an address that may be relative, made whole. */
export default class BrowserUrl extends URL {}
