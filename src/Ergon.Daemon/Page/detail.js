// One execution: its facts, timeline, resources and output, live.

import { get, post, events } from './client.js';

const KEPT_OUTPUT = 2000; // pieces
const SAMPLES = 120;
const element = id => document.getElementById(id);
const moment = text => new Date(text).toLocaleTimeString([], { hour12: false, fractionalSecondDigits: 3 });
const bytes = n => n < 1024 * 1024 ? `${(n / 1024).toFixed(0)} KiB` : `${(n / 1024 / 1024).toFixed(1)} MiB`;
export const duration = ms => ms < 1000 ? `${Math.round(ms)} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60000)} min ${Math.round(ms % 60000 / 1000)} s`;
export const isTerminal = info => info.status === 'success' || info.status === 'failed';

// Such as 1m2.5s, in milliseconds.
export function parseDuration(text) {
  const units = { h: 3600000, m: 60000, s: 1000, ms: 1, us: 0.001, ns: 0.000001, d: 86400000 };
  return [...text.matchAll(/([\d.]+)(ms|us|ns|d|h|m|s)/g)].reduce((sum, [, number, unit]) => sum + number * units[unit], 0);
}

let current = null;

export function close() {
  current?.abort.abort();
  current = null;
  element('detail').hidden = true;
}

export function open(id, mayRun, fail) {
  if (current?.id === id) return;
  close();
  current = { id, mayRun, fail, abort: new AbortController(), phases: [], cpu: [], memory: [] };
  element('detail').hidden = false;
  element('detail-title').textContent = `Execution ${id}`;
  for (const name of ['output', 'timeline', 'bar', 'facts']) element(name).replaceChildren();
  for (const name of ['cpu', 'memory']) { element(name).textContent = ''; plot(name, []); }
  const view = current;
  load(view).catch(e => { if (!view.abort.signal.aborted) fail(e); });
}

export function show(info) {
  if (current?.id !== info.execution_id) return;
  current.info = info;
  const facts = {
    Status: info.status + (info.queue_position ? `, place ${info.queue_position} in the queue` : ''),
    Job: info.job_id, Executor: info.executor, Created: new Date(info.created_at).toLocaleString(),
    Started: info.started_at && new Date(info.started_at).toLocaleString(), Finished: info.finished_at && new Date(info.finished_at).toLocaleString(),
    End: info.reason && `${info.reason}, exit code ${info.exit_code}`, Error: info.error,
    Ports: info.ports?.map(p => `${p.host_ip ?? ''}:${p.host_port} to ${p.executor_port}`).join(', '),
    Labels: Object.entries(info.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(', '),
  };
  element('facts').replaceChildren(...Object.entries(facts).filter(([, v]) => v).flatMap(([k, v]) => {
    const [term, text] = [document.createElement('dt'), document.createElement('dd')];
    [term.textContent, text.textContent] = [k, v];
    return [term, text];
  }));
  const can = { pause: info.status === 'running', resume: info.status === 'paused', cancel: !isTerminal(info) };
  for (const button of document.querySelectorAll('[data-action]')) button.disabled = !current.mayRun || !can[button.dataset.action];
  element('scope-note').textContent = current.mayRun ? '' : 'You may look only.';
  showBar(info);
}

async function load(view) {
  const { signal } = view.abort;
  const info = await get(`/v1/executions/${view.id}`, signal);
  show(info);
  element('detail-title').focus({ preventScroll: true });
  const parts = [readOutput(view), readTimeline(view, info)];
  if (!isTerminal(info)) parts.push(readStats(view));
  await Promise.all(parts);
}

async function readOutput(view) {
  const output = element('output');
  for await (const { type, data } of events(`/v1/executions/${view.id}/logs?follow=true`, view.abort.signal)) {
    if (type !== 'stdout' && type !== 'stderr') continue;
    const piece = document.createElement('span');
    piece.className = type;
    piece.textContent = data.data;
    output.append(piece);
    while (output.childElementCount > KEPT_OUTPUT) output.firstElementChild.remove();
    if (element('follow').checked) output.scrollTop = output.scrollHeight;
  }
}

// What happened before is known where the daemon keeps its events; elsewhere what the execution itself says is shown.
async function readTimeline(view, info) {
  for (const [time, text] of [[info.created_at, 'created'], [info.started_at, 'started'], [info.finished_at, 'concluded']]) if (time) addPhase(time, text);
  try {
    const query = new URLSearchParams({ execution_id: view.id, executor: info.executor, after: '0' });
    let first = true;
    for await (const { type, data } of events(`/v1/events?${query}`, view.abort.signal)) {
      if (!data.timestamp) continue;
      if (first) element('timeline').replaceChildren();
      first = false;
      addPhase(data.timestamp, data.progress ? [data.progress.step, data.progress.item, data.progress.status].filter(Boolean).join(' ') : type.replace('_', ' '));
      view.phases.push({ type, time: Date.parse(data.timestamp) });
      if (data.info) show(data.info);
    }
  } catch (e) {
    if (!view.abort.signal.aborted && e.status !== 400 && e.status !== 404 && e.status !== 501) throw e;
  }
}

function addPhase(time, text) {
  const item = document.createElement('li');
  item.textContent = `${moment(time)}  ${text}`;
  element('timeline').append(item);
}

function showBar(info) {
  const end = info.finished_at ? Date.parse(info.finished_at) : Date.now();
  const [created, started] = [Date.parse(info.created_at), info.started_at ? Date.parse(info.started_at) : end];
  const parts = [['prepare', started - created]];
  let since = started;
  let kind = 'run';
  for (const { type, time } of current.phases) {
    if (type !== 'paused' && type !== 'resumed') continue;
    parts.push([kind, time - since]);
    [since, kind] = [time, type === 'paused' ? 'pause' : 'run'];
  }
  parts.push([kind, end - since]);
  element('bar').replaceChildren(...parts.filter(([, ms]) => ms > 0).map(([name, ms]) => {
    const part = document.createElement('span');
    part.className = name;
    part.style.flexGrow = ms;
    part.title = `${name}: ${duration(ms)}`;
    return part;
  }));
  element('bar').setAttribute('aria-label', `Timeline: ${parts.filter(([, ms]) => ms > 0).map(([name, ms]) => `${name} ${duration(ms)}`).join(', ')}`);
}

async function readStats(view) {
  let before = null;
  try {
    for await (const { type, data } of events(`/v1/executions/${view.id}/stats`, view.abort.signal)) {
      if (type !== 'stats') continue;
      const now = { time: Date.parse(data.timestamp), cpu: parseDuration(data.cpu_time) };
      if (before && now.time > before.time) {
        view.cpu = [...view.cpu, (now.cpu - before.cpu) / (now.time - before.time) * 100].slice(-SAMPLES);
        element('cpu').textContent = `${view.cpu.at(-1).toFixed(0)} % of a core`;
        plot('cpu', view.cpu);
      }
      before = now;
      if (data.memory_bytes === undefined) continue;
      view.memory = [...view.memory, data.memory_bytes].slice(-SAMPLES);
      element('memory').textContent = bytes(data.memory_bytes) + (data.memory_limit_bytes ? ` of ${bytes(data.memory_limit_bytes)}` : '');
      plot('memory', view.memory, data.memory_limit_bytes);
    }
  } catch (e) {
    // It has ended meanwhile, or its executor cannot tell.
    if (!view.abort.signal.aborted && e.status !== 409 && e.status !== 501 && e.status !== 404) throw e;
  }
}

function plot(name, values, limit) {
  const most = Math.max(limit ?? 0, ...values, 1);
  const points = values.map((v, i) => `${(i * 120 / Math.max(values.length - 1, 1)).toFixed(1)},${(39 - v / most * 38).toFixed(1)}`);
  document.querySelector(`#${name}-plot polyline`).setAttribute('points', points.join(' '));
}

for (const button of document.querySelectorAll('[data-action]')) {
  button.addEventListener('click', async () => {
    const view = current;
    button.disabled = true;
    try {
      await post(`/v1/executions/${view.id}/${button.dataset.action}`, view.abort.signal);
      show(await get(`/v1/executions/${view.id}`, view.abort.signal));
    } catch (e) {
      if (!view.abort.signal.aborted) view.fail(e);
    }
  });
}

for (const stream of ['stdout', 'stderr']) {
  element(`show-${stream}`).addEventListener('change', e => element('output').classList.toggle(`no-${stream}`, !e.target.checked));
}
