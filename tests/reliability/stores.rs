//! S3 that refuses, hangs, lies or is not there.

use super::table::Scenario;

scenarios! { STORES:
}
