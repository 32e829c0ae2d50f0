//! Reads GraphQL documents and cuts answers to what was asked for: a field that is not selected is
//! not answered, a field that does not exist is an error, as at Shopify.

use serde_json::{Map, Value, json};

/// One selected field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// Name in the answer.
    pub(super) alias: String,
    /// Name of the field.
    pub(super) name: String,
    /// Arguments, variables put in.
    pub(super) args: Map<String, Value>,
    /// Fields below it; empty for a scalar.
    pub(super) fields: Vec<Field>,
}

/// A document's first operation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    /// A mutation, else a query.
    pub(super) mutation: bool,
    /// Root fields.
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(String),
    Mark(char),
    Spread,
}

/// Reads a document.
///
/// # Errors
/// What cannot be read, as a message.
pub(super) fn parse(document: &str, variables: &Map<String, Value>) -> Result<Operation, String> {
    let tokens = lex(document)?;
    let mut reader = Reader {
        tokens,
        at: 0,
        variables: variables.clone(),
    };
    reader.operation()
}

fn lex(document: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = document.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() || c == ',' || c == '\u{feff}' => {}
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '.' => {
                if chars.next() != Some('.') || chars.next() != Some('.') {
                    return Err("syntax error, unexpected `.`".to_owned());
                }
                tokens.push(Token::Spread);
            }
            '"' => tokens.push(Token::Text(text(&mut chars)?)),
            c if c.is_ascii_alphabetic() || c == '_' => {
                let mut name = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                tokens.push(Token::Name(name));
            }
            c if c.is_ascii_digit() || c == '-' => {
                let mut number = String::from(c);
                while let Some(c) = chars
                    .next_if(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
                {
                    number.push(c);
                }
                tokens.push(Token::Number(number));
            }
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '!' | '$' | '=' | '@' => {
                tokens.push(Token::Mark(c));
            }
            other => return Err(format!("syntax error, unexpected `{other}`")),
        }
    }
    Ok(tokens)
}

fn text(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match chars.next() {
            None | Some('\n') => return Err("syntax error, unterminated string".to_owned()),
            Some('"') => return Ok(text),
            Some('\\') => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(c @ ('"' | '\\' | '/')) => text.push(c),
                _ => return Err("syntax error, unsupported escape".to_owned()),
            },
            Some(c) => text.push(c),
        }
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    variables: Map<String, Value>,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn skip(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.skip(mark) {
            return Ok(());
        }
        Err(format!("syntax error, expected `{mark}`"))
    }

    fn name(&mut self) -> Result<String, String> {
        match self.take() {
            Some(Token::Name(name)) => Ok(name),
            _ => Err("syntax error, expected a name".to_owned()),
        }
    }

    fn operation(&mut self) -> Result<Operation, String> {
        let mut mutation = false;
        if let Some(Token::Name(kind)) = self.peek().cloned() {
            mutation = kind == "mutation";
            self.at += 1;
            if matches!(self.peek(), Some(Token::Name(_))) {
                self.at += 1;
            }
            if self.skip('(') {
                self.declarations()?;
            }
            self.directives()?;
        }
        let fields = self.selection()?;
        Ok(Operation { mutation, fields })
    }

    /// `$id: ID!, $first: Int = 5`: a default fills a variable that was not given.
    fn declarations(&mut self) -> Result<(), String> {
        while !self.skip(')') {
            self.expect('$')?;
            let name = self.name()?;
            self.expect(':')?;
            let required = self.kind()?;
            let mut value = None;
            if self.skip('=') {
                value = Some(self.value()?);
            }
            match (self.variables.contains_key(&name), value) {
                (false, Some(value)) => {
                    self.variables.insert(name, value);
                }
                (false, None) if required => {
                    return Err(format!("Variable ${name} was provided invalid value"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn kind(&mut self) -> Result<bool, String> {
        if self.skip('[') {
            self.kind()?;
            self.expect(']')?;
        } else {
            self.name()?;
        }
        Ok(self.skip('!'))
    }

    fn directives(&mut self) -> Result<(), String> {
        while self.skip('@') {
            self.name()?;
            if self.skip('(') {
                self.arguments()?;
            }
        }
        Ok(())
    }

    fn arguments(&mut self) -> Result<Map<String, Value>, String> {
        let mut args = Map::new();
        while !self.skip(')') {
            let name = self.name()?;
            self.expect(':')?;
            let value = self.value()?;
            args.insert(name, value);
        }
        Ok(args)
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.skip('$') {
            let name = self.name()?;
            return Ok(self.variables.get(&name).cloned().unwrap_or(Value::Null));
        }
        if self.skip('[') {
            let mut items = Vec::new();
            while !self.skip(']') {
                items.push(self.value()?);
            }
            return Ok(Value::Array(items));
        }
        if self.skip('{') {
            let mut object = Map::new();
            while !self.skip('}') {
                let name = self.name()?;
                self.expect(':')?;
                object.insert(name, self.value()?);
            }
            return Ok(Value::Object(object));
        }
        match self.take() {
            Some(Token::Text(text)) => Ok(json!(text)),
            Some(Token::Number(number)) => {
                serde_json::from_str(&number).map_err(|_| format!("bad number `{number}`"))
            }
            Some(Token::Name(name)) => Ok(match name.as_str() {
                "true" => json!(true),
                "false" => json!(false),
                "null" => Value::Null,
                _ => json!(name),
            }),
            _ => Err("syntax error, expected a value".to_owned()),
        }
    }

    fn selection(&mut self) -> Result<Vec<Field>, String> {
        self.expect('{')?;
        let mut fields = Vec::new();
        while !self.skip('}') {
            if self.peek() == Some(&Token::Spread) {
                self.at += 1;
                if self.name()? != "on" {
                    return Err("named fragments are not simulated".to_owned());
                }
                self.name()?;
                self.directives()?;
                fields.extend(self.selection()?);
                continue;
            }
            fields.push(self.field()?);
        }
        Ok(fields)
    }

    fn field(&mut self) -> Result<Field, String> {
        let mut name = self.name()?;
        let alias = name.clone();
        if self.skip(':') {
            name = self.name()?;
        }
        let args = if self.skip('(') {
            self.arguments()?
        } else {
            Map::new()
        };
        self.directives()?;
        let fields = if self.peek() == Some(&Token::Mark('{')) {
            self.selection()?
        } else {
            Vec::new()
        };
        Ok(Field {
            alias,
            name,
            args,
            fields,
        })
    }
}

/// Cuts `whole` to the selected fields. Lists under `nodes` and `edges` are cut to `first`.
///
/// # Errors
/// A field that does not exist, or an object without a selection.
pub(super) fn cut(whole: &Value, fields: &[Field], kind: &str) -> Result<Value, String> {
    match whole {
        Value::Array(items) => {
            let items: Result<Vec<Value>, String> =
                items.iter().map(|i| cut(i, fields, kind)).collect();
            Ok(Value::Array(items?))
        }
        Value::Object(object) => {
            if fields.is_empty() {
                return Err(format!(
                    "Field must have selections (field '{kind}' returns an object but has no selections)"
                ));
            }
            let mut answer = Map::new();
            for field in fields {
                let value = if field.name == "__typename" {
                    json!(kind)
                } else {
                    let below = object.get(&field.name).ok_or_else(|| {
                        format!("Field '{}' doesn't exist on '{kind}'", field.name)
                    })?;
                    cut(&limit(below, &field.args), &field.fields, &field.name)?
                };
                answer.insert(field.alias.clone(), value);
            }
            Ok(Value::Object(answer))
        }
        other => Ok(other.clone()),
    }
}

fn limit(value: &Value, args: &Map<String, Value>) -> Value {
    let first = args
        .get("first")
        .and_then(Value::as_u64)
        .and_then(|n| usize::try_from(n).ok());
    let (Some(first), Some(object)) = (first, value.as_object()) else {
        return value.clone();
    };
    let mut object = object.clone();
    let mut more = false;
    for list in ["nodes", "edges"] {
        if let Some(items) = object.get_mut(list).and_then(Value::as_array_mut) {
            more |= items.len() > first;
            items.truncate(first);
        }
    }
    if more && let Some(info) = object.get_mut("pageInfo").and_then(Value::as_object_mut) {
        info.insert("hasNextPage".to_owned(), json!(true));
    }
    Value::Object(object)
}

/// A connection: `nodes`, `edges` and `pageInfo`.
pub(super) fn connection(nodes: Vec<Value>) -> Value {
    let cursor = |i: usize| format!("c{i}");
    let edges: Vec<Value> = nodes
        .iter()
        .enumerate()
        .map(|(i, node)| json!({"cursor": cursor(i), "node": node}))
        .collect();
    let last = nodes.len().checked_sub(1).map(cursor);
    json!({
        "nodes": nodes,
        "edges": edges,
        "pageInfo": {
            "hasNextPage": false,
            "hasPreviousPage": false,
            "startCursor": last.as_ref().map(|_| cursor(0)),
            "endCursor": last,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_aliases_and_inline_fragments_are_read() {
        let variables = json!({"id": "gid://shopify/Order/1"});
        let operation = parse(
            "# find\nquery Q($id: ID!, $n: Int = 3) { o: order(id: $id) { ...on Order { id } lines(first: $n) { nodes { id } } } }",
            variables.as_object().unwrap(),
        )
        .unwrap();
        assert!(!operation.mutation);
        let order = &operation.fields[0];
        assert_eq!((order.alias.as_str(), order.name.as_str()), ("o", "order"));
        assert_eq!(order.args["id"], "gid://shopify/Order/1");
        assert_eq!(order.fields[0].name, "id");
        assert_eq!(order.fields[1].args["first"], 3);
    }

    #[test]
    fn an_answer_has_exactly_what_was_asked_for() {
        let whole = json!({"id": 1, "lines": connection(vec![json!({"a": 1, "b": 2}), json!({"a": 3, "b": 4})])});
        let read = |text| parse(text, &Map::new()).unwrap().fields;
        let fields =
            read("{ id lines(first: 1) { edges { node { a } } pageInfo { hasNextPage } } }");
        assert_eq!(
            cut(&whole, &fields, "Order").unwrap(),
            json!({"id": 1, "lines": {"edges": [{"node": {"a": 1}}], "pageInfo": {"hasNextPage": true}}})
        );
        let error = cut(&whole, &read("{ total }"), "Order").unwrap_err();
        assert_eq!(error, "Field 'total' doesn't exist on 'Order'");
        assert!(cut(&whole, &read("{ lines }"), "Order").is_err());
    }

    #[test]
    fn a_required_variable_that_is_missing_is_an_error() {
        assert!(parse("query ($id: ID!) { order(id: $id) { id } }", &Map::new()).is_err());
        assert!(parse("{ order(id: \"x) }", &Map::new()).is_err());
    }
}
