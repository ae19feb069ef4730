//! The machine's clock is wrong, steps, or another one is right.

use super::table::Scenario;

scenarios! { CLOCKS:
}
