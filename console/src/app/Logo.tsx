import classes from "./Logo.module.css";

/** An arch with a fire in it. */
export function Logo() {
  return (
    <span className={classes.logo}>
      <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden>
        <path d="M4 28V13.5a12 12 0 0 1 24 0V28h-6.500v-3.200a5.500 5.500 0 0 0-11 0V28z" fill="currentColor" />
        <path
          className={classes.fire}
          d="M16 29c-3.200 0-5-2.100-5-4.600 0-3.600 3.700-4.600 3.400-8.900 3.700 1.400 3.600 4.600 3.400 5.900.9-.3 1.400-1.100 1.500-2 1.200 1.300 1.700 2.900 1.700 4.700C21 26.900 19.200 29 16 29z"
        />
      </svg>
      Hearth
    </span>
  );
}
