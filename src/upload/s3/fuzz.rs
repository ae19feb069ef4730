//! Error documents of strange stores.

use proptest::prelude::*;

use super::transport::element;
use crate::fuzz::cases;

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn any_document_is_looked_through(
        document in prop_oneof![any::<String>(), "(<Code>|</Code>|<Error>|</Error>|<|>|/|[a-zé]{1,3}){0,20}"],
        name in "[A-Za-z]{1,6}",
    ) {
        for name in ["Code", name.as_str()] {
            if let Some(text) = element(&document, name) {
                let whole = format!("<{name}>{text}</{name}>");
                prop_assert!(document.contains(&whole));
            }
        }
    }

    #[test]
    fn an_element_is_found_whatever_stands_around_it(
        before in "[^<]{0,20}",
        code in "[A-Za-z.]{0,20}",
        after in any::<String>(),
    ) {
        let document = format!("{before}<Error><Code>{code}</Code>{after}");
        prop_assert_eq!(element(&document, "Code"), Some(code.as_str()));
    }
}
