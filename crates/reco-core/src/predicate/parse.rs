//! From tokens to a tree.

use super::lex::{Token, lex};
use super::{Name, Node, Order, PredicateError, Value};

/// Longer texts and deeper nesting are refused: they come from the network.
const LONGEST: usize = 4_096;
const DEEPEST: usize = 64;

pub(super) fn parse(source: &str) -> Result<Node, PredicateError> {
    let length = source.chars().count();
    if length > LONGEST {
        let message = format!("the expression is {length} characters long, at most {LONGEST} are allowed");
        return Err(PredicateError::new(&source.chars().take(60).collect::<String>(), 1, message));
    }
    let mut parser = Parser { source, tokens: lex(source)?, next: 0, depth: 0 };
    let root = parser.any()?;
    match parser.peek() {
        Token::End => Ok(root),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

/// Words that name no column unless they stand in back-ticks.
const KEYWORDS: [&str; 8] = ["and", "or", "not", "in", "is", "has", "true", "false"];

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn column(&self) -> usize {
        self.tokens[self.next].0
    }

    fn take(&mut self) -> (usize, Token) {
        let token = self.tokens[self.next].clone();
        // The end stays in front for ever.
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn expected(&self, what: &str) -> PredicateError {
        let message = format!("found {}, expected {what}", self.peek().shown());
        PredicateError::new(self.source, self.column(), message)
    }

    fn at_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.at_keyword(keyword);
        if found {
            self.take();
        }
        found
    }

    fn sign(&mut self, sign: &'static str) -> Result<(), PredicateError> {
        if *self.peek() != Token::Sign(sign) {
            return Err(self.expected(&format!("`{sign}`")));
        }
        self.take();
        Ok(())
    }

    fn any(&mut self) -> Result<Node, PredicateError> {
        let mut nodes = vec![self.all()?];
        while self.keyword("or") {
            nodes.push(self.all()?);
        }
        Ok(one_or(nodes, Node::Any))
    }

    fn all(&mut self) -> Result<Node, PredicateError> {
        let mut nodes = vec![self.not()?];
        while self.keyword("and") {
            nodes.push(self.not()?);
        }
        Ok(one_or(nodes, Node::All))
    }

    fn not(&mut self) -> Result<Node, PredicateError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let message = format!("nested more than {DEEPEST} deep");
            return Err(PredicateError::new(self.source, self.column(), message));
        }
        let node = if self.keyword("not") {
            Node::Not(Box::new(self.not()?))
        } else if *self.peek() == Token::Sign("(") {
            self.take();
            let node = self.any()?;
            self.sign(")")?;
            node
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, PredicateError> {
        let name = self.name()?;
        if self.keyword("is") {
            return self.missing(name);
        }
        if self.keyword("has") {
            return Ok(Node::In(name, vec![self.value()?]));
        }
        if self.keyword("not") {
            if !self.keyword("in") {
                return Err(self.expected("`in`"));
            }
            return Ok(differs(self.list(name.clone())?, name));
        }
        if self.keyword("in") || self.keyword("any") {
            return self.list(name);
        }
        let Token::Sign(sign) = *self.peek() else { return Err(self.no_operator()) };
        let order = match sign {
            "=" | "!=" => None,
            "<" => Some(Order::Less),
            "<=" => Some(Order::AtMost),
            ">" => Some(Order::Greater),
            ">=" => Some(Order::AtLeast),
            _ => return Err(self.no_operator()),
        };
        self.take();
        let value = self.value()?;
        if let Some(order) = order {
            return Ok(Node::Compare(name, order, value));
        }
        let equal = Node::In(name.clone(), vec![value]);
        if sign == "=" {
            return Ok(equal);
        }
        Ok(differs(equal, name))
    }

    fn no_operator(&self) -> PredicateError {
        self.expected("an operator (=, !=, <, <=, >, >=, in, not in, has, any, is)")
    }

    fn name(&mut self) -> Result<Name, PredicateError> {
        let keyword = KEYWORDS.iter().any(|word| self.at_keyword(word));
        match self.peek() {
            Token::Word(_) if keyword => Err(self.expected("a column")),
            Token::Word(text) | Token::Quoted(text) => {
                let text = text.clone();
                let (column, _) = self.take();
                Ok(Name { text, column })
            }
            _ => Err(self.expected("a column")),
        }
    }

    fn missing(&mut self, name: Name) -> Result<Node, PredicateError> {
        if self.keyword("missing") {
            Ok(Node::Missing(name))
        } else if self.keyword("present") {
            Ok(Node::Not(Box::new(Node::Missing(name))))
        } else {
            Err(self.expected("`missing` or `present`"))
        }
    }

    fn list(&mut self, name: Name) -> Result<Node, PredicateError> {
        self.sign("(")?;
        let mut values = vec![self.value()?];
        while *self.peek() == Token::Sign(",") {
            self.take();
            values.push(self.value()?);
        }
        self.sign(")")?;
        Ok(Node::In(name, values))
    }

    fn value(&mut self) -> Result<Value, PredicateError> {
        let value = match self.peek() {
            Token::Text(text) => Value::Text(text.clone()),
            Token::Number(number) => Value::Number(*number),
            Token::Word(_) if self.at_keyword("true") => Value::Flag(true),
            Token::Word(_) if self.at_keyword("false") => Value::Flag(false),
            Token::Word(word) => {
                let message = format!("found `{word}`, expected a value; text stands in quotes: \"{word}\"");
                return Err(PredicateError::new(self.source, self.column(), message));
            }
            _ => return Err(self.expected("a value (\"text\", a number, true or false)")),
        };
        self.take();
        Ok(value)
    }
}

/// There is a value and `equal` does not hold: a missing value matches no comparison.
fn differs(equal: Node, name: Name) -> Node {
    Node::All(vec![Node::Not(Box::new(equal)), Node::Not(Box::new(Node::Missing(name)))])
}

fn one_or(mut nodes: Vec<Node>, many: fn(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1 { nodes.remove(0) } else { many(nodes) }
}
