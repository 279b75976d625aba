// The login page: draws the moving QR code, waits for the phone, sends the forms.
'use strict';
(() => {
  const main = document.getElementById('login');
  const base = '/login/' + main.dataset.id;
  const texts = JSON.parse(main.dataset.texts);
  const el = (id) => document.getElementById(id);
  let state = JSON.parse(main.dataset.state);
  // The first frames came with the page.
  const first = JSON.parse(main.dataset.frames) || { now_ms: 0, frames: [] };
  let frames = first.frames;
  // What the server's clock shows before this page's own, in milliseconds.
  const loaded = performance.getEntriesByType('navigation')[0];
  let serverAhead = first.now_ms - (loaded ? loaded.responseStart : performance.now());
  let connected = true;
  let over = false;
  let cancelling = false;
  let leftAt = -Infinity;
  addEventListener('beforeunload', () => { leftAt = performance.now(); });

  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

  // A QR code as SVG: one rectangle for each run of dark modules, four light modules on every side.
  const draw = (box, code) => {
    const bits = atob(code.modules);
    const size = code.size;
    const dark = (at) => (bits.charCodeAt(at >> 3) >> (7 - (at & 7))) & 1;
    let path = '';
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        let run = 0;
        while (x + run < size && dark(y * size + x + run)) {
          run++;
        }
        if (run) {
          path += 'M' + (x + 4) + ' ' + (y + 4) + 'h' + run + 'v1h-' + run + 'z';
          x += run;
        }
      }
    }
    const make = (name, attributes) => {
      const node = document.createElementNS('http://www.w3.org/2000/svg', name);
      Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
      return node;
    };
    const side = size + 8;
    const pixels = side * Math.ceil(240 / side);
    const svg = make('svg', {
      width: pixels, height: pixels, viewBox: '0 0 ' + side + ' ' + side, 'shape-rendering': 'crispEdges',
    });
    svg.append(make('rect', { width: side, height: side, fill: '#fff' }), make('path', { d: path, fill: '#000' }));
    box.replaceChildren(svg);
  };

  const problem = (text, language, wait) => {
    document.dispatchEvent(new CustomEvent('login-wait', { detail: wait || 0 }));
    el('problem').textContent = text || '';
    el('problem').lang = language || document.documentElement.lang;
    el('problem').hidden = !text;
  };

  // A login that is over is not a page to come back to, so the next one takes its place in the history.
  const leave = (path, after) => {
    if (!over) {
      over = true;
      const go = () => {
        // On its way elsewhere already, as to the return of a same-device login: going on now would stop that.
        if (performance.now() - leftAt < 3000) setTimeout(go, 500);
        else location.replace(path);
      };
      setTimeout(go, after || 0);
    }
  };

  const tell = () => {
    const text = (connected ? texts[state.state] : texts.lost) || '';
    // What is written again is read aloud again; and a page that is left ends its requests, which is no lost network.
    if (el('status').textContent !== text && (connected || !over)) {
      el('status').textContent = text;
    }
  };

  const show = () => {
    if (cancelling || over) {
      return;
    }
    const waiting = state.state === 'waiting';
    tell();
    main.dataset.shown = state.state;
    el('scan').hidden = !waiting;
    el('other').hidden = !waiting;
    if (el('ways')) {
      el('ways').hidden = !waiting;
    }
    el('pushed').hidden = !(waiting && state.remembered);
    el('sent').textContent = state.shows_number ? texts.sent_number : texts.sent;
    el('half').hidden = !(waiting && state.chip);
    el('number-box').hidden = !(waiting && state.shows_number);
    el('number').textContent = state.number_spaced || '';
    el('phone').hidden = state.state !== 'opened';
    el('result').hidden = !state.finish;
    el('onward').hidden = !state.finish;
    if (!waiting) {
      el('offline-box').hidden = true;
      problem('');
    }
    const link = el('same-device');
    link.hidden = !state.same_device_link;
    if (state.same_device_link) {
      link.setAttribute('href', state.same_device_link);
    }
    document.dispatchEvent(new CustomEvent('login-state', { detail: state }));
    if (state.finish) {
      el('go').setAttribute('href', state.finish);
      if (el('cancel-form')) {
        el('cancel-form').hidden = true;
      }
      // Nobody did anything: without a moment to read it, the way back would come as a surprise.
      leave(state.finish, state.state === 'expired' ? 3000 : 0);
    }
  };

  const ask = async (path, body) => {
    const options = body === undefined ? {} : {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
    };
    let reply;
    try {
      reply = await fetch(base + path, options);
      connected = true;
    } catch (error) {
      connected = false;
      error.told = texts.lost;
      throw error;
    } finally {
      tell();
    }
    const json = await reply.json().catch(() => ({}));
    if (!reply.ok) {
      const error = new Error(json.message || String(reply.status));
      error.told = json.message;
      error.language = json.language;
      error.status = reply.status;
      error.wait = json.retry_after;
      throw error;
    }
    return json;
  };

  const watch = async () => {
    while (!over) {
      try {
        const asked = performance.now();
        const known = state.state;
        state = await ask('/state?wait=25&known=' + known + '&needs_return=' + state.needs_return);
        show();
        // A server that is stopping, or that has enough tabs of this login waiting, answers at once.
        await sleep(state.state === known && performance.now() - asked < 1000 ? 2000 : 200);
      } catch (error) {
        if (error.status === 404) {
          over = true;
          problem(error.told, error.language);
          return;
        }
        await sleep(2000);
      }
    }
  };

  const frameAt = (second) => frames.find((one) => one.second === second);
  const thisSecond = () => Math.floor((performance.now() + serverAhead) / 1000);

  const drawFrame = () => {
    const frame = frameAt(thisSecond());
    if (frame) {
      draw(el('qr'), frame.code);
    } else {
      el('qr').replaceChildren();
    }
  };

  // The frame of this second, by the server's clock. More are asked for before the last one is reached.
  const moveQr = async () => {
    while (!over) {
      if (state.state === 'waiting') {
        drawFrame();
        if (!frameAt(thisSecond() + 1)) {
          try {
            const asked = performance.now();
            const reply = await ask('/frames');
            frames = reply.frames;
            serverAhead = reply.now_ms - (asked + performance.now()) / 2;
            drawFrame();
          } catch (error) {
            // The next second tries again.
          }
        }
      }
      await sleep(1000 - ((performance.now() + serverAhead) % 1000));
    }
  };

  const submit = (id, path, body, then) => {
    el(id).addEventListener('submit', async (event) => {
      event.preventDefault();
      problem('');
      try {
        then(await ask(path, body()));
      } catch (error) {
        problem(error.told || texts.failed, error.language, error.wait);
      }
    });
  };

  submit('user-id-form', '/user-id', () => ({ user_id: el('user-id').value }), (reply) => {
    state.number = reply.number;
    state.number_spaced = reply.number_spaced;
    state.shows_number = true;
    state.expires_in = reply.expires_in;
    show();
    el('number-box').scrollIntoView({ block: 'nearest' });
  });

  el('offline-button').addEventListener('click', async () => {
    problem('');
    if (!el('user-id-form').reportValidity()) {
      return;
    }
    try {
      const reply = await ask('/offline', { user_id: el('user-id').value });
      draw(el('offline-qr'), reply.code);
      el('offline-box').hidden = false;
      el('offline-box').scrollIntoView({ block: 'nearest' });
    } catch (error) {
      problem(error.told || texts.failed, error.language, error.wait);
    }
  });

  submit('offline-form', '/offline-code', () => ({ code: el('offline-code').value }), (reply) => {
    state = reply;
    show();
  });

  if (el('cancel-form')) {
    el('cancel-form').addEventListener('submit', async (event) => {
      event.preventDefault();
      cancelling = true;
      try {
        leave((await ask('/cancel', {})).finish);
      } catch (error) {
        cancelling = false;
        problem(error.told || texts.failed, error.language, error.wait);
      }
    });
  }

  if (el('user-id').value) {
    el('other').open = true;
  }
  show();
  watch();
  moveQr();
})();
