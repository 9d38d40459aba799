// Requests to the HTTP API. Errors are `Problem`s whose message is a sentence for people.

import { askForText } from "./components/dialog.js";
import { sentence } from "./foreign_text.js";

const TOKEN_KEY = "stockwire-token";

/** A refused or failed request. `status` is 0 if the server did not answer. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Record<string, any>} [details] - The problem document (RFC 9457).
   */
  constructor(status, message, details = {}) {
    super(message);
    this.name = "Problem";
    this.status = status;
    this.details = details;
  }
}

/**
 * Return the path with a query, without the parameters that are null or undefined.
 *
 * @param {string} path
 * @param {Record<string, string | number | boolean | null | undefined>} parameters
 * @returns {string}
 */
export function withQuery(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Return the part of a path that names a symbol. A slash stays, because a symbol with one is the rest of the path.
 *
 * @param {string} symbol
 * @returns {string}
 */
export function symbolPath(symbol) {
  return symbol.split("/").map(encodeURIComponent).join("/");
}

/**
 * Read a document. Throws Problem, and the abort's reason if `signal` aborts the request.
 *
 * @param {string} path
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function read(path, { signal } = {}) {
  const response = await request(path, { signal });
  return response.json();
}

/**
 * Change something. Throws Problem.
 *
 * @param {"POST" | "PATCH" | "PUT" | "DELETE"} method
 * @param {string} path
 * @param {unknown} [body] - Sent as JSON.
 * @returns {Promise<any>} The document of the answer, or null if it has none.
 */
export async function send(method, path, body = undefined) {
  const response = await request(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

/**
 * Send a request with the token, if one was given. A 401 asks for the token once and tries again. Throws Problem.
 *
 * @param {string} path
 * @param {RequestInit & {headers?: Record<string, string>}} options
 * @returns {Promise<Response>}
 */
export async function request(path, options = {}) {
  for (;;) {
    const token = storedToken();
    const response = await fetchOrProblem(path, options, token);
    if (response.ok) return response;
    if (response.status !== 401) throw await problemOf(response);
    if (!(await haveAnotherToken(token))) throw await problemOf(response);
  }
}

/**
 * @param {string} path
 * @param {RequestInit & {headers?: Record<string, string>}} options
 * @param {string | null} token
 */
async function fetchOrProblem(path, options, token) {
  const headers = token === null ? options.headers : { ...options.headers, Authorization: `Bearer ${token}` };
  try {
    return await fetch(path, { ...options, headers, credentials: "omit", redirect: "error" });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "Stockwire does not answer. This page tries again by itself.");
  }
}

/**
 * Return the problem that a response tells, or one made of its status.
 *
 * @param {Response} response
 * @returns {Promise<Problem>}
 */
async function problemOf(response) {
  const document = await response.json().catch(() => ({}));
  const words = document.detail || document.title || `The server answered ${response.status} ${response.statusText}.`;
  return new Problem(response.status, sentence(String(words)), document);
}

function storedToken() {
  return sessionStorage.getItem(TOKEN_KEY);
}

/** @type {Promise<string | null> | null} - The open question, so that many refused requests ask only once. */
let question = null;

/**
 * Return true if there is another token than the refused one: given meanwhile, or on asking.
 *
 * @param {string | null} refused
 */
async function haveAnotherToken(refused) {
  if (storedToken() !== refused) return true;
  question ??= askForText({
    title: refused === null ? "Token needed" : "The token is wrong",
    words: "Stockwire changes nothing without its token. ./stockwire up prints it, and keeps it in var/api-token;" +
      " otherwise it is the setting STOCKWIRE_API_TOKEN. This tab forgets the token when it is closed.",
    label: "Token",
    confirm: "Use the token",
    type: "password",
  }).finally(() => {
    question = null;
  });
  const answer = await question;
  if (!answer) return false;
  sessionStorage.setItem(TOKEN_KEY, answer);
  return true;
}
