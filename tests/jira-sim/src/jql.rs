//! A parser for the part of JQL that clients use (T5, T6).

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Clause {
        field: String,
        op: Op,
        values: Vec<Operand>,
    },
    /// Bare words: a text search.
    Text(String),
}

/// Comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Eq,
    Ne,
    In,
    NotIn,
    Lt,
    Le,
    Gt,
    Ge,
    Is,
    IsNot,
    Has,
    HasNot,
}

/// Right side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Value(String),
    /// A function with its arguments.
    Call(String, Vec<String>),
    Empty,
}

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub filter: Option<Expr>,
    /// Field and whether descending.
    pub order: Vec<(String, bool)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
}

const SIGNS: &[&str] = &[
    "!=", ">=", "<=", "!~", "=", ">", "<", "~", "(", ")", ",", "!", "&&", "||", "&", "|",
];

fn lex(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            let (value, used) = quoted(rest, first)?;
            tokens.push(Token::Quoted(value));
            rest = &rest[used..];
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            let end = rest
                .find(|c: char| c.is_whitespace() || "=!<>~(),\"'&|".contains(c))
                .unwrap_or(rest.len());
            let word = &rest[..end];
            if let Some(bad) = word.chars().find(|c| "{}*/%+^$#@?;".contains(*c)) {
                return Err(format!(
                    "Error in the JQL Query: The character '{bad}' is a reserved JQL character."
                ));
            }
            tokens.push(Token::Word(word.into()));
            rest = &rest[end..];
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

fn quoted(text: &str, quote: char) -> Result<(String, usize), String> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('"' | '\'' | '\\' | ' '))) => value.push(c),
                _ => return Err("Error in the JQL Query: illegal JQL escape sequence.".into()),
            },
            c if c == quote => return Ok((value, at + c.len_utf8())),
            c => value.push(c),
        }
    }
    Err(format!(
        "Error in the JQL Query: The quoted string '{}' has not been completed.",
        text.trim_start_matches(quote)
    ))
}

/// Parses a query. Words without any operator become a text search.
pub fn parse(text: &str) -> Result<Query, String> {
    let tokens = lex(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0 };
    match parser.query() {
        Ok(query) => Ok(query),
        Err(_) if !tokens.is_empty() && tokens.iter().all(|t| !matches!(t, Token::Sign(_))) => Ok(Query {
            filter: Some(Expr::Text(text.trim().into())),
            order: Vec::new(),
        }),
        Err(error) => Err(error),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn peek_word(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word))
    }

    fn word(&mut self, word: &str) -> bool {
        let hit = self.peek_word(word);
        self.at += usize::from(hit);
        hit
    }

    fn sign(&mut self, signs: &[&str]) -> bool {
        let hit = matches!(self.tokens.get(self.at), Some(Token::Sign(s)) if signs.contains(s));
        self.at += usize::from(hit);
        hit
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, String> {
        let got = match self.tokens.get(self.at) {
            None => "the end of the query".to_string(),
            Some(Token::Word(w) | Token::Quoted(w)) => format!("'{w}'"),
            Some(Token::Sign(s)) => format!("'{s}'"),
        };
        Err(format!(
            "Error in the JQL Query: Expecting {expected} but got {got}. (line 1)"
        ))
    }

    fn query(&mut self) -> Result<Query, String> {
        let filter = if self.tokens.is_empty() || self.peek_word("order") {
            None
        } else {
            Some(self.or()?)
        };
        let mut order = Vec::new();
        if self.word("order") {
            if !self.word("by") {
                return self.unexpected("'BY'");
            }
            loop {
                let Some(Token::Word(field) | Token::Quoted(field)) = self.tokens.get(self.at) else {
                    return self.unexpected("a field name");
                };
                self.at += 1;
                let descending = self.word("desc");
                if !descending {
                    self.word("asc");
                }
                order.push((field.to_lowercase(), descending));
                if !self.sign(&[","]) {
                    break;
                }
            }
        }
        if self.at < self.tokens.len() {
            return self.unexpected("either 'OR' or 'AND'");
        }
        if order.len() > 7 {
            return Err("The maximum number of ORDER BY fields is 7.".into());
        }
        Ok(Query { filter, order })
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.and()?];
        while self.word("or") || self.sign(&["||", "|"]) {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Expr::Or(parts)
        })
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.not()?];
        while self.word("and") || self.sign(&["&&", "&"]) {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Expr::And(parts)
        })
    }

    fn not(&mut self) -> Result<Expr, String> {
        if self.word("not") || self.sign(&["!"]) {
            return Ok(Expr::Not(Box::new(self.not()?)));
        }
        if self.sign(&["("]) {
            let inner = self.or()?;
            return if self.sign(&[")"]) {
                Ok(inner)
            } else {
                self.unexpected("')'")
            };
        }
        self.clause()
    }

    fn clause(&mut self) -> Result<Expr, String> {
        let Some(Token::Word(field) | Token::Quoted(field)) = self.tokens.get(self.at) else {
            return self.unexpected("a field name");
        };
        if let Some(Token::Word(word)) = self.tokens.get(self.at)
            && ["and", "or", "in", "is", "empty", "null", "by"].contains(&word.to_lowercase().as_str())
        {
            return self.unexpected("a field name");
        }
        self.at += 1;
        let op = self.operator()?;
        let values = match op {
            Op::In | Op::NotIn if self.sign(&["("]) => {
                let mut values = vec![self.operand()?];
                while self.sign(&[","]) {
                    values.push(self.operand()?);
                }
                if !self.sign(&[")"]) {
                    return self.unexpected("')' or ','");
                }
                values
            }
            Op::In | Op::NotIn => match self.operand()? {
                call @ Operand::Call(..) => vec![call],
                _ => return self.unexpected("'('"),
            },
            _ => vec![self.operand()?],
        };
        if matches!(op, Op::Is | Op::IsNot) && values != [Operand::Empty] {
            return Err("Error in the JQL Query: the operator 'is' goes only with EMPTY or NULL.".into());
        }
        Ok(Expr::Clause {
            field: field.to_lowercase(),
            op,
            values,
        })
    }

    fn operator(&mut self) -> Result<Op, String> {
        let signs = [("!=", Op::Ne), (">=", Op::Ge), ("<=", Op::Le), ("!~", Op::HasNot)];
        let signs = signs
            .into_iter()
            .chain([("=", Op::Eq), (">", Op::Gt), ("<", Op::Lt), ("~", Op::Has)]);
        for (sign, op) in signs {
            if self.sign(&[sign]) {
                return Ok(op);
            }
        }
        if self.word("in") {
            return Ok(Op::In);
        }
        if self.word("is") {
            return Ok(if self.word("not") { Op::IsNot } else { Op::Is });
        }
        if self.word("not") {
            return if self.word("in") {
                Ok(Op::NotIn)
            } else {
                self.unexpected("'IN'")
            };
        }
        self.unexpected("an operator")
    }

    fn operand(&mut self) -> Result<Operand, String> {
        match self.tokens.get(self.at) {
            Some(Token::Quoted(value)) => {
                self.at += 1;
                Ok(Operand::Value(value.clone()))
            }
            Some(Token::Word(word)) => {
                self.at += 1;
                if self.sign(&["("]) {
                    let mut arguments = Vec::new();
                    while let Some(Token::Word(a) | Token::Quoted(a)) = self.tokens.get(self.at) {
                        self.at += 1;
                        arguments.push(a.clone());
                        if !self.sign(&[","]) {
                            break;
                        }
                    }
                    if !self.sign(&[")"]) {
                        return self.unexpected("')'");
                    }
                    return Ok(Operand::Call(word.to_lowercase(), arguments));
                }
                match word.to_lowercase().as_str() {
                    "empty" | "null" => Ok(Operand::Empty),
                    "and" | "or" | "not" | "in" | "is" | "order" | "by" => {
                        self.at -= 1;
                        self.unexpected("a value")
                    }
                    _ => Ok(Operand::Value(word.clone())),
                }
            }
            _ => self.unexpected("a value"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(field: &str, op: Op, values: &[&str]) -> Expr {
        let values = values.iter().map(|v| Operand::Value((*v).into())).collect();
        Expr::Clause {
            field: field.into(),
            op,
            values,
        }
    }

    #[test]
    fn parses_what_a_client_writes() {
        let query = parse("labels = \"jira-findings-a\" AND updated >= -15m ORDER BY updated ASC, key DESC").unwrap();
        let want = Expr::And(vec![
            clause("labels", Op::Eq, &["jira-findings-a"]),
            clause("updated", Op::Ge, &["-15m"]),
        ]);
        assert_eq!(query.filter, Some(want));
        assert_eq!(query.order, [("updated".into(), false), ("key".into(), true)]);
        let query = parse(r#"project = "AND" and (a in ("x\"y", z) or not b != 1)"#).unwrap();
        let want = Expr::And(vec![
            clause("project", Op::Eq, &["AND"]),
            Expr::Or(vec![
                clause("a", Op::In, &["x\"y", "z"]),
                Expr::Not(Box::new(clause("b", Op::Ne, &["1"]))),
            ]),
        ]);
        assert_eq!(query.filter, Some(want));
        assert_eq!(parse("ORDER BY created DESC").unwrap().filter, None);
        let Some(Expr::Clause { values, .. }) = parse("creator = currentUser()").unwrap().filter else {
            panic!()
        };
        assert_eq!(values, [Operand::Call("currentuser".into(), vec![])]);
    }

    #[test]
    fn bare_words_are_text_and_nonsense_is_refused() {
        assert_eq!(
            parse("this is not jql").unwrap().filter,
            Some(Expr::Text("this is not jql".into()))
        );
        for bad in [
            "project =",
            "project = AND",
            "a = 1 b = 2",
            "(a = 1",
            "a in (1",
            "a = \"x",
            "a = 1 order a",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
