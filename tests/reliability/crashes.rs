//! The process is killed or stopped at any moment; database and files are damaged under it.

use super::table::Scenario;

scenarios! { CRASHES:
}
