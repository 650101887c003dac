// Writes what a person prefers into cookies of this browser (preferences.py).
const A_YEAR = 365 * 24 * 60 * 60; // s; browsers keep none for longer than 400 days

function kept(name) {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found?.slice(name.length + 1) ?? "";
}

function keep(name, value) {
  const age = value ? A_YEAR : 0;
  document.cookie = `${name}=${value}; path=/; max-age=${age}; SameSite=Lax`;
}

export default function ({ data }) {
  let isAnotherPage = false;
  for (const [name, plain] of Object.entries(data ?? {})) {
    const value = encodeURIComponent(plain);
    if (kept(`zero_${name}`) === value) continue;
    keep(`zero_${name}`, value);
    isAnotherPage ||= name === "language" || name === "theme";
  }
  if (isAnotherPage) location.reload();
}
