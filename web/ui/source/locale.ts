/** Whose way of writing numbers and dates: the page's language, and where that alone does not say, as the server has it. */

const language = document.documentElement.lang;

export const locale = language === "en" ? "en-GB" : language;
