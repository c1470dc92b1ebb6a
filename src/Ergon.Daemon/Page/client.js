// Talks to the daemon: with the token that the operator gave, if it takes one.

const TOKEN = 'ergon-token';

export class Refusal extends Error {
  constructor(status, problem, token) {
    super(problem?.detail ?? `The daemon answers ${status}.`);
    this.status = status;
    this.token = token;
  }
}

export const setToken = token => sessionStorage.setItem(TOKEN, token);

async function send(method, path, signal) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { method, headers, signal, cache: 'no-store' });
  if (response.ok) return response;
  // One that was given meanwhile is not the one that was refused.
  if (response.status === 401 && token === sessionStorage.getItem(TOKEN)) sessionStorage.removeItem(TOKEN);
  throw new Refusal(response.status, await response.json().catch(() => null), token);
}

export const get = async (path, signal) => (await send('GET', path, signal)).json();
export const post = (path, signal) => send('POST', path, signal);

// The events of a stream, one after the other, until it ends or the signal is given. EventSource cannot carry a token.
export async function* events(path, signal) {
  const response = await send('GET', path, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  while (true) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { type: 'message', data: '' };
      for (const line of block.split('\n')) {
        if (line.startsWith('event:')) event.type = line.slice(6).trim();
        else if (line.startsWith('data:')) event.data += line.slice(5).trim();
        else if (line.startsWith('id:')) event.id = line.slice(3).trim();
      }
      if (event.data !== '') yield { ...event, data: JSON.parse(event.data) };
    }
  }
}
