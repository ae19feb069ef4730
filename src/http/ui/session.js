// Who is logged in, the way out, and the way back in where a session ended.

import { $, setText } from './dom.js';

async function ask() {
  return (await fetch('/api/v1/session', { cache: 'no-store' })).json();
}

// Leads to the login where nobody is logged in any more; false where that is not the trouble.
export async function goLogin() {
  try {
    const { auth, user } = await ask();
    if (!auth || user) return false;
    location.replace('/login');
    return true;
  } catch {
    return false;
  }
}

export async function showSession() {
  const out = $('logout');
  out.addEventListener('click', async () => {
    await fetch('/logout', { method: 'POST' });
    location.replace('/login');
  });
  try {
    const { user } = await ask();
    out.hidden = !user;
    out.title = user ? `Log out ${user}` : '';
    setText(out.querySelector('.who'), user ? ` ${user}` : '');
  } catch {
    // the page says already that nothing answers
  }
}
