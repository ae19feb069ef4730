// The way in: name and password, and words where they are wrong.

import { $, setText } from './dom.js';
import { sentence } from './words.js';

const form = $('login');
const wrong = $('wrong');
const button = form.querySelector('button');

function tell(words) {
  setText(wrong, words);
  wrong.hidden = !words;
}

async function logIn() {
  const answer = await fetch('/login', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user: form.user.value.trim(), password: form.password.value }),
  });
  if (answer.ok) {
    location.replace('/');
    return;
  }
  const { error, hint } = await answer.json();
  if (answer.status === 401) tell('Name or password is wrong.');
  else tell(`${sentence(error)} ${sentence(hint)}`);
  form.password.value = '';
  form.password.focus();
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  button.disabled = true;
  tell('');
  try {
    await logIn();
  } catch {
    tell('The recorder does not answer. Try again.');
  }
  button.disabled = false;
});

// A link from another site brings no cookie with it: who is logged in all the same goes on at once.
try {
  const session = await (await fetch('/api/v1/session', { cache: 'no-store' })).json();
  if (session.user || !session.auth) location.replace('/');
} catch {
  // then the form says so
}
