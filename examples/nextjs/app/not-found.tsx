import Link from "next/link";

export default function NotFound() {
  return (
    <section className="narrow">
      <h1>Not found</h1>
      <p className="muted">There is no such page, or it is not yours.</p>
      <Link className="button" href="/">My pods</Link>
    </section>
  );
}
