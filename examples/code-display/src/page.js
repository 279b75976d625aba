'use strict';
(() => {
  const el = (id) => document.getElementById(id);
  let sound = null;
  const say = () => { if (sound && !el('silent').checked) { new Audio(sound).play().catch(() => {}); } };
  el('press').addEventListener('click', async () => {
    const reply = await fetch('/press/' + el('language').value, { method: 'POST' }).catch(() => null);
    if (!reply || !reply.ok) {
      el('code').textContent = 'Ingen kode. Prøv igen.';
      return;
    }
    const bytes = new Uint8Array(await reply.arrayBuffer());
    const end = bytes.indexOf(10);
    const code = new TextDecoder().decode(bytes.slice(0, end));
    el('code').textContent = code;
    if (sound) { URL.revokeObjectURL(sound); }
    sound = URL.createObjectURL(new Blob([bytes.slice(end + 1)], { type: 'audio/wav' }));
    el('again').disabled = false;
    say();
  });
  el('again').addEventListener('click', say);
})();
