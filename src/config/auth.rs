//! `[server.auth]`: whether viewers must log in, and what they need not log in for.

use std::time::Duration;

use super::AuthConfig;
use super::table::Table;
use crate::access::Area;

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn auth(table: Table<'_>) -> AuthConfig {
    let default = AuthConfig::default();
    let hours = u32::try_from(default.session.as_secs() / HOUR.as_secs()).unwrap_or(u32::MAX);
    let auth = AuthConfig {
        enabled: table.boolean("enabled"),
        public: public(&table),
        session: HOUR * table.integer("session_hours", 1..=8760, hours),
    };
    if auth.enabled == Some(false) && !auth.public.is_empty() {
        let todo = "take it out, or write enabled = true";
        table.problem_at(
            "public",
            &format!("found beside enabled = false, where everything is public; {todo}"),
        );
    }
    table.finish();
    auth
}

fn public(table: &Table<'_>) -> Vec<Area> {
    let mut areas = Vec::new();
    for text in table.texts("public", false).unwrap_or_default() {
        match Area::parse(&text.value) {
            Some(area) if areas.contains(&area) => text.problem("found twice, once is enough"),
            Some(area) => areas.push(area),
            None => {
                let names: Vec<String> =
                    Area::ALL.iter().map(|area| format!("{:?}", area.as_str())).collect();
                text.refuse(&names.join(", "), "the others need a login");
            }
        }
    }
    areas
}
