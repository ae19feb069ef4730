//! A small disk that fills up.

use super::table::Scenario;

scenarios! { DISKS:
}
