/** @jsxImportSource preact */

/** What somebody sees who must sign in first. */
export function SignedOut({ what, why }: Readonly<{ what: string; why: string }>) {
  return (
    <section class="notice" aria-label="Signed out">
      <h2>Sign in to see {what}</h2>
      <p>{why}</p>
      <p>
        <a class="button primary" href="/sign-in">
          Sign in
        </a>
      </p>
    </section>
  )
}
