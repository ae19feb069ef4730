//! What a month of footage costs at AWS, roughly. Pure.
//!
//! List prices of one region, without tax, free tier, traffic out of S3 and reading. Source: the price list at
//! aws.amazon.com/s3/pricing; other regions and other stores have their own.

use crate::config::S3Config;

/// When the prices were those of the list.
pub const AS_OF: &str = "January 2025";
pub const REGION: &str = "us-east-1";
const STANDARD: &str = "STANDARD";
const DAYS_A_MONTH: f64 = 30.0;
/// A manifest is written this often in the hour that it lists.
const MANIFESTS_A_DAY: f64 = 24.0 * 60.0;

/// US dollars: a GB for a month, 1,000 PUTs, 1,000 moves into the class.
const PRICES: [(&str, f64, f64, f64); 7] = [
    (STANDARD, 0.023, 0.005, 0.0),
    ("STANDARD_IA", 0.0125, 0.01, 0.01),
    ("ONEZONE_IA", 0.01, 0.01, 0.01),
    ("INTELLIGENT_TIERING", 0.023, 0.005, 0.01),
    ("GLACIER_IR", 0.004, 0.02, 0.02),
    ("GLACIER", 0.0036, 0.03, 0.03),
    ("DEEP_ARCHIVE", 0.00099, 0.05, 0.05),
];

/// What a recorder produces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    pub bytes_a_day: f64,
    pub objects_a_day: f64,
    pub cameras: usize,
    /// From the rows, rather than from the configuration's bitrates.
    pub is_measured: bool,
}

/// Some lines for people.
pub fn estimate(config: &S3Config, amount: &Amount) -> Vec<String> {
    let gb_a_day = amount.bytes_a_day / 1e9;
    let how = if amount.is_measured { "as recorded in the last days" } else { "by the configured bitrates" };
    let mut lines =
        vec![format!("about {gb_a_day:.1} GB and {:.0} objects a day, {how}", amount.objects_a_day)];
    if config.endpoint.is_some() {
        lines.push("this is not AWS: ask your store for its prices".to_owned());
        return lines;
    }
    let own = config.objects.storage_class.as_deref().unwrap_or(STANDARD);
    let (later_from, later) = match &config.lifecycle.transition {
        Some((days, class)) => (f64::from(*days), Some(class.as_str())),
        None => (f64::INFINITY, None),
    };
    let ends = config.lifecycle.expire_days.map_or(f64::INFINITY, f64::from);
    let (_, stored, put, _) = price(own);
    let manifests = MANIFESTS_A_DAY * cameras(amount);
    let mut total = (amount.objects_a_day * put + manifests * price(STANDARD).2) * DAYS_A_MONTH / 1000.0;
    lines.push(format!("uploads: ${total:.2} a month"));
    let days = later_from.min(ends);
    if days.is_finite() {
        let cost = gb_a_day * days * stored;
        total += cost;
        lines
            .push(format!("{own}, the newest {days:.0} days: {:.0} GB, ${cost:.2} a month", gb_a_day * days));
    }
    let grows = (gb_a_day * DAYS_A_MONTH, later.map_or(stored, |class| price(class).1));
    if let Some(class) = later {
        let (_, stored, _, moved) = price(class);
        let cost = amount.objects_a_day * moved * DAYS_A_MONTH / 1000.0;
        total += cost;
        lines.push(format!("moving to {class}: ${cost:.2} a month"));
        if ends.is_finite() {
            let (days, cost) = (ends - later_from, gb_a_day * (ends - later_from) * stored);
            total += cost;
            lines.push(format!("{class}, {days:.0} days: {:.0} GB, ${cost:.2} a month", gb_a_day * days));
        }
    }
    match ends.is_finite() {
        true => lines.push(format!("together about ${total:.2} a month, once the oldest is as old as it gets")),
        false => lines.push(format!(
            "together about ${total:.2} a month, and ${:.2} more with each month, because nothing is ever deleted \
             ({:.0} GB a month)",
            grows.0 * grows.1,
            grows.0
        )),
    }
    lines.push(format!(
        "list prices of {REGION} in {AS_OF}, without tax, reading and traffic; {} may differ",
        if config.region == REGION { "today's".to_owned() } else { format!("those of {}", config.region) }
    ));
    lines
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn cameras(amount: &Amount) -> f64 {
    amount.cameras as f64
}

fn price(class: &str) -> (&'static str, f64, f64, f64) {
    PRICES.into_iter().find(|(name, ..)| *name == class).unwrap_or(PRICES[0])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn lines(s3: &str) -> String {
        let text = format!("[[camera]]\nname = \"a\"\nip = \"10.0.0.1\"\n[s3]\nbucket = \"footage\"\n{s3}");
        let config = Config::parse(&text, Path::new("config.toml"), &|_| None).unwrap().s3;
        // one camera at 2 Mbit/s: 21.6 GB in 8640 objects
        let amount = Amount { bytes_a_day: 21.6e9, objects_a_day: 8640.0, cameras: 1, is_measured: true };
        estimate(&config, &amount).join("\n")
    }

    #[test]
    fn what_is_kept_for_a_time_has_a_price_a_month() {
        // 21.6 GB × 30 days × $0.023 = $14.90; (8640 × 30 + 1440 × 30) / 1000 × $0.005 = $1.51
        let said = lines("[s3.lifecycle]\nexpire_days = 30\n");
        for words in
            ["uploads: $1.51 a month", "the newest 30 days: 648 GB, $14.90", "together about $16.42 a month"]
        {
            assert!(said.contains(words), "{words}:\n{said}");
        }
        assert!(said.contains("list prices of us-east-1 in January 2025"), "{said}");
    }

    #[test]
    fn what_moves_costs_its_move_and_what_stays_for_ever_grows() {
        let said = lines(
            "region = \"ap-south-1\"\n[s3.lifecycle]\ntransition_days = 30\ntransition_class = \"GLACIER_IR\"\n",
        );
        // 8640 × 30 / 1000 × $0.02 = $5.18; 648 GB × $0.004 = $2.59 more each month
        for words in
            ["moving to GLACIER_IR: $5.18", "$2.59 more with each month", "those of ap-south-1 may differ"]
        {
            assert!(said.contains(words), "{words}:\n{said}");
        }
        assert!(lines("endpoint = \"http://minio:9000\"\n").contains("this is not AWS"));
    }
}
