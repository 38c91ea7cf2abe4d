"use client";

export default function Failed({ reset }: { reset: () => void }) {
  return (
    <section className="narrow" role="alert">
      <h1>That did not work</h1>
      <p className="muted">The server could not do it. Its log says why.</p>
      <button onClick={reset} type="button">Try again</button>
    </section>
  );
}
