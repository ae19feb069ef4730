//! Cameras that are away, refuse, freeze, change or send rubbish.

use super::table::Scenario;

scenarios! { CAMERAS:
}
