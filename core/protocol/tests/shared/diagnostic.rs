//! RFC 8949, section 8: the part of the diagnostic notation that deterministic messages need.

use minicbor::Decoder;
use minicbor::data::Type;

pub fn notation(bytes: &[u8]) -> String {
    let mut d = Decoder::new(bytes);
    let text = item(&mut d);
    assert_eq!(d.position(), bytes.len(), "trailing bytes");
    text
}

fn item(d: &mut Decoder<'_>) -> String {
    match d.datatype().unwrap() {
        Type::Bool => d.bool().unwrap().to_string(),
        Type::Null => {
            d.null().unwrap();
            "null".to_owned()
        }
        Type::Bytes => format!("h'{}'", hex::encode(d.bytes().unwrap())),
        Type::String => serde_json::to_string(d.str().unwrap()).unwrap(),
        Type::Array => {
            let count = d.array().unwrap().unwrap();
            let items: Vec<_> = (0..count).map(|_| item(d)).collect();
            format!("[{}]", items.join(", "))
        }
        Type::Map => {
            let count = d.map().unwrap().unwrap();
            let items: Vec<_> = (0..count)
                .map(|_| {
                    let key = item(d);
                    format!("{key}: {}", item(d))
                })
                .collect();
            format!("{{{}}}", items.join(", "))
        }
        _ => i128::from(d.int().unwrap()).to_string(),
    }
}
