// The operator's page: every execution, kept up to date by the daemon's events.

import { get, events, setToken } from './client.js';
import * as detail from './detail.js';

const RETRY = 2000; // ms
const HEALTH = 10000; // ms
const SHOWN = 500;
const element = id => document.getElementById(id);
const executions = new Map();
const filters = element('filters');
let caller = { name: '', scopes: [] };
let drawing = 0;
let shown = ''; // of the executors

function fail(error) {
  element('problem').textContent = error.message;
  element('problem').hidden = false;
}

function draw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => {
    const { text, status, executor } = Object.fromEntries(new FormData(filters));
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = info => (!status || info.status === status) && (!executor || info.executor === executor) &&
      words.every(w => `${info.execution_id} ${info.job_id} ${Object.entries(info.labels ?? {}).map(l => l.join('=')).join(' ')}`.toLowerCase().includes(w));
    const found = [...executions.values()].filter(matches).sort((a, b) => b.created_at.localeCompare(a.created_at));
    filters.elements.count.value = found.length > SHOWN ? `${SHOWN} of ${found.length}` : `${found.length}`;
    const focused = document.activeElement?.closest?.('tbody') ? document.activeElement.hash : null;
    document.querySelector('#list tbody').replaceChildren(...found.slice(0, SHOWN).map(row));
    if (focused) document.querySelector(`#list a[href="${focused}"]`)?.focus();
  });
}

function row(info) {
  const line = document.createElement('tr');
  if (location.hash === `#/${info.execution_id}`) line.setAttribute('aria-current', 'true');
  const link = document.createElement('a');
  link.href = `#/${info.execution_id}`;
  link.textContent = info.execution_id;
  const took = info.started_at ? detail.duration((info.finished_at ? Date.parse(info.finished_at) : Date.now()) - Date.parse(info.started_at)) : '';
  const end = info.reason ? (info.reason === 'exited' ? `exit code ${info.exit_code}` : info.reason.replaceAll('_', ' ')) : '';
  const cells = [link, info.status, info.job_id, info.executor, new Date(info.created_at).toLocaleString(), took, end].map(content => {
    const cell = document.createElement('td');
    cell.append(content);
    return cell;
  });
  cells[1].className = `status ${info.status}`;
  line.append(...cells);
  return line;
}

async function loadExecutors() {
  const { executors } = await get('/v1/executors');
  const found = await Promise.all(executors.map(async ({ name, ready, problem }) => ({
    name, ...ready ? await get(`/v1/executors/${name}`).catch(e => ({ available: false, problems: [{ problem: e.message, remedy: '' }] })) : { available: false, problems: [{ problem, remedy: '' }] },
  })));
  if (JSON.stringify(found) === shown) return;
  shown = JSON.stringify(found);
  const items = found.map(({ name, ...facts }) => {
    const item = document.createElement('li');
    const state = document.createElement('span');
    state.className = `status ${facts.available ? 'success' : 'failed'}`;
    state.textContent = facts.available ? 'healthy' : 'not available';
    item.append(`${name} ${facts.version ?? ''} `, state);
    if (facts.problems?.length) {
      const [more, title] = [document.createElement('details'), document.createElement('summary')];
      title.textContent = `${facts.problems.length} to look at`;
      more.append(title, ...facts.problems.map(p => Object.assign(document.createElement('p'), { textContent: `${p.problem} ${p.remedy}` })));
      item.append(' ', more);
    }
    return item;
  });
  document.querySelector('#executors ul').replaceChildren(...items);
  const chosen = filters.elements.executor;
  chosen.replaceChildren(new Option('all', ''), ...executors.map(e => new Option(e.name, e.name, false, e.name === chosen.value)));
}

async function loadDrain() {
  const { draining, since, by, active } = await get('/v1/drain');
  element('drain').textContent = draining ? `New executions are refused since ${new Date(since).toLocaleString()}, as ${by} asked for; ${active} have not ended.` : '';
  element('drain').hidden = !draining;
}

async function loadAll() {
  executions.clear();
  let token = '';
  do {
    const page = await get(`/v1/executions?page_size=1000&page_token=${encodeURIComponent(token)}`);
    for (const info of page.executions) executions.set(info.execution_id, info);
    token = page.next_page_token;
  } while (token);
  draw();
}

function apply({ type, data }) {
  if (type === 'gap') return loadAll();
  if (!data.info) return;
  if (type === 'removed' || type === 'start_failed') executions.delete(data.info.execution_id);
  else executions.set(data.info.execution_id, data.info);
  detail.show(data.info);
  draw();
}

function route() {
  const id = location.hash.slice(2);
  if (id) detail.open(id, caller.scopes.includes('run'), fail);
  else detail.close();
  draw();
}

async function watch() {
  while (true) {
    try {
      caller = await get('/v1/caller');
      element('caller').textContent = `${caller.name}: ${caller.scopes.join(', ')}`;
      element('sign-in').hidden = true;
      const stream = events('/v1/events');
      // The first event is asked for before the list is, so that nothing falls between the two.
      let next = stream.next();
      await Promise.all([loadAll(), loadExecutors(), loadDrain()]);
      element('connection').textContent = 'Live';
      element('problem').hidden = true;
      route();
      for (let e = await next; !e.done; e = await next) {
        next = stream.next();
        await apply(e.value);
      }
    } catch (e) {
      if (e.status === 401) {
        element('connection').textContent = 'Not signed in';
        element('sign-in').hidden = false;
        if (e.token) fail(e);
        return;
      }
      if (e.status) fail(e);
    }
    element('connection').textContent = 'Not connected; trying again ...';
    await new Promise(go => setTimeout(go, RETRY));
  }
}

element('sign-in').addEventListener('submit', e => {
  e.preventDefault();
  setToken(element('token').value.trim());
  element('connection').textContent = 'Connecting ...';
  element('token').value = '';
  watch();
});
filters.addEventListener('submit', e => e.preventDefault());
filters.addEventListener('input', draw);
addEventListener('hashchange', route);
setInterval(() => { if (!document.hidden && element('connection').textContent === 'Live') Promise.all([loadExecutors(), loadDrain()]).catch(() => {}); }, HEALTH);
setInterval(() => { if ([...executions.values()].some(i => i.status === 'running')) draw(); }, 1000);
watch();
