//! Resources: what the catalogue holds, and one template (MCP server/resources).
//!
//! A URI that nothing is kept under is an error that names it: invalid parameters since 2026-07-28 (SEP-2164), a code
//! of its own before.

use rmcp::ErrorData;
use rmcp::model::{ReadResourceResult, ResourceContents};
use serde_json::json;

use crate::catalogue::Catalogue;

/// Where the id stands in a URI of the template.
const TEMPLATE: (&str, &str) = ("test://template/", "/data");

/// What is kept under `uri`.
pub(crate) fn read(catalogue: &Catalogue, uri: &str, is_legacy: bool) -> Result<ReadResourceResult, ErrorData> {
    if let Some(contents) = catalogue.contents.get(uri) {
        return Ok(ReadResourceResult::new(contents.clone()));
    }
    let Some(id) = uri.strip_prefix(TEMPLATE.0).and_then(|rest| rest.strip_suffix(TEMPLATE.1)) else {
        let data = Some(json!({ "uri": uri }));
        let message = "resource not found";
        return Err(if is_legacy {
            ErrorData::resource_not_found(message, data)
        } else {
            ErrorData::invalid_params(message, data)
        });
    };
    let text = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") }).to_string();
    Ok(ReadResourceResult::new(vec![ResourceContents::text(text, uri).with_mime_type("application/json")]))
}

#[cfg(test)]
mod tests {
    use rmcp::model::ErrorCode;

    use super::*;

    #[test]
    fn a_template_takes_its_id_from_the_uri() {
        let catalogue = Catalogue::read().unwrap();
        let read = read(&catalogue, "test://template/123/data", true).unwrap();
        assert!(serde_json::to_string(&read).unwrap().contains("Data for ID: 123"));
    }

    #[test]
    fn an_unknown_uri_is_an_error_of_its_era() {
        let catalogue = Catalogue::read().unwrap();
        let code = |is_legacy| read(&catalogue, "test://nothing", is_legacy).unwrap_err().code;
        assert_eq!(code(true), ErrorCode::RESOURCE_NOT_FOUND);
        assert_eq!(code(false), ErrorCode::INVALID_PARAMS);
    }
}
