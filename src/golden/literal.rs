//! The text of an npy header: a dict as Python writes one.
//!
//! NumPy writes `{'descr': '<f4', 'fortran_order': False, 'shape': (8, 64), }` and reads whatever Python evaluates to such
//! a dict. Read here is what somebody may have written: either quote, blanks and line breaks anywhere, the keys in any
//! order, a comma at the end or none, and the `L` of Python 2 behind an extent. Of a key that is there twice the last one
//! counts, as in Python.

use std::borrow::Cow;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal<'a> {
    /// Elements that are one number each.
    Numbers {
        /// NumPy's text for the dtype, such as `<f4`.
        descr: Cow<'a, str>,
        is_fortran: bool,
        /// The extent of each axis.
        shape: Vec<usize>,
    },
    /// Elements of several fields: the dtype is a list.
    Records,
}

/// What that text of a header says; `None` where it is no such dict, or no line feed ends it.
pub(super) fn read(text: &[u8]) -> Option<Literal<'_>> {
    let mut rest = Rest(std::str::from_utf8(text).ok()?.strip_suffix('\n')?);
    let (mut descr, mut is_fortran, mut shape) = (None, None, None);
    rest.token('{')?;
    while !rest.takes('}') {
        let key = rest.string()?;
        rest.token(':')?;
        match &*key {
            // What is inside it matters to nobody.
            "descr" if rest.takes('[') => return Some(Literal::Records),
            "descr" => descr = Some(rest.string()?),
            "fortran_order" => is_fortran = Some(rest.boolean()?),
            "shape" => shape = Some(rest.tuple()?),
            _ => return None,
        }
        if !rest.takes(',') {
            rest.token('}')?;
            break;
        }
    }
    rest.is_blank().then_some(Literal::Numbers { descr: descr?, is_fortran: is_fortran?, shape: shape? })
}

/// What is left of the text.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn is_blank(&mut self) -> bool {
        self.skip();
        self.0.is_empty()
    }

    /// Skips what Python skips between brackets.
    fn skip(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
    }

    /// Takes that character, behind any blanks, where it comes next.
    fn takes(&mut self, token: char) -> bool {
        self.skip();
        match self.0.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn token(&mut self, token: char) -> Option<()> {
        self.takes(token).then_some(())
    }

    /// A string in either quote, on one line.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let quote = if self.takes('"') { '"' } else { self.token('\'').map(|()| '\'')? };
        let plain = self.take_until(|c| c == quote || c == '\\' || c == '\n' || c == '\r');
        if self.closes(quote) {
            return Some(plain.into());
        }
        let mut string = plain.to_owned();
        while !self.closes(quote) {
            string.push(self.character()?);
        }
        Some(string.into())
    }

    /// Takes the quote at the end of a string, where it comes next.
    fn closes(&mut self, quote: char) -> bool {
        self.0.strip_prefix(quote).inspect(|rest| self.0 = rest).is_some()
    }

    /// A character of a string, or what its escape stands for.
    fn character(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let character = match chars.next()? {
            '\\' => match chars.next()? {
                escaped @ ('\\' | '\'' | '"') => escaped,
                'x' => {
                    let digits = (chars.next()?.to_digit(16)?, chars.next()?.to_digit(16)?);
                    char::from_u32(digits.0 << 4 | digits.1)?
                }
                // Any other would be in no dtype that is read.
                _ => return None,
            },
            '\n' | '\r' => return None,
            character => character,
        };
        self.0 = chars.as_str();
        Some(character)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.skip();
        match self.take_until(|c| !c.is_alphanumeric() && c != '_') {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }
    }

    /// A tuple of extents. One alone needs its comma: `(8)` is a number.
    fn tuple(&mut self) -> Option<Vec<usize>> {
        let mut extents = Vec::new();
        self.token('(')?;
        while !self.takes(')') {
            extents.push(self.extent()?);
            if !self.takes(',') {
                self.token(')')?;
                return (extents.len() > 1).then_some(extents);
            }
        }
        Some(extents)
    }

    fn extent(&mut self) -> Option<usize> {
        self.skip();
        let digits = self.take_until(|c| !c.is_ascii_digit());
        self.0 = self.0.strip_prefix('L').unwrap_or(self.0);
        // Python reads no leading zeros either.
        (digits == "0" || !digits.starts_with('0')).then(|| digits.parse().ok()).flatten()
    }

    fn take_until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.0.split_at(self.0.find(ends).unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers<'a>(descr: &'a str, is_fortran: bool, shape: &[usize]) -> Option<Literal<'a>> {
        Some(Literal::Numbers { descr: descr.into(), is_fortran, shape: shape.to_vec() })
    }

    #[track_caller]
    fn assert_read(descr: &str, order: &str, shape: &str, end: &str, expected: (bool, &[usize])) {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}{end}");
        assert_eq!(read(text.as_bytes()), numbers(descr, expected.0, expected.1));
    }

    #[test]
    fn what_numpy_writes_is_read() {
        assert_read("<f4", "False", "(8, 64)", "    \n", (false, &[8, 64]));
        assert_read("|b1", "True", "(3,)", "\n", (true, &[3]));
        assert_read(">c16", "False", "()", " \n", (false, &[]));
        assert_read("<V2", "False", "(0, 10, 7)", " \n", (false, &[0, 10, 7]));
        let records = b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (8,), }\n";
        assert_eq!(read(records), Some(Literal::Records));
    }

    #[test]
    fn what_others_write_is_read() {
        for text in [
            "{'descr':'<f4','fortran_order':False,'shape':(8,64)}\n",
            "{\"shape\": (8, 64,), \"descr\": \"<f4\", \"fortran_order\": False}\n",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (8L, 64L), }\n",
            " { 'shape' :\t( 8\n,64\r\n) ,\x0c'fortran_order' : False , 'descr' : '<f4' }\n\n",
            "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (8, 64)}\n",
            "{'shape': (), 'descr': '', 'descr': '<f4', 'fortran_order': True, 'fortran_order': False, 'shape': (8, 64)}\n",
        ] {
            assert_eq!(read(text.as_bytes()), numbers("<f4", false, &[8, 64]), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_dict_is_not_read() {
        let whole = |descr: &str, order: &str, shape: &str, end: &str| {
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}{end}")
        };
        let shapes = [
            "(8)",
            "(,)",
            "(08,)",
            "(+8,)",
            "(-1,)",
            "(8,,)",
            "(8 64,)",
            "(8l,)",
            "(8 L,)",
            "(L,)",
            "(8.,)",
            "(True,)",
            "[8]",
            "8",
            "('8',)",
            "((8,),)",
            "(99999999999999999999,)",
            "(8,",
            "",
        ];
        let mut wrong: Vec<String> = shapes.map(|shape| whole("'<f4'", "False", shape, "\n")).into();
        for order in ["false", "0", "None", "'False'", "Falsey", "False_", ""] {
            wrong.push(whole("'<f4'", order, "(8,)", "\n"));
        }
        for descr in
            ["<f4", "'<f4", "<f4'", "'<f4\"", "b'<f4'", "None", "4", "'<\\N4'", "'<f4\\", "'<\nf4'", "'\\xg0'", ""]
        {
            wrong.push(whole(descr, "False", "(8,)", "\n"));
        }
        for end in ["", " ", "\0\n", "}\n", ",\n", "{}\n", "#\n"] {
            wrong.push(whole("'<f4'", "False", "(8,)", end));
        }
        for text in [
            "",
            "\n",
            "{}\n",
            "{,}\n",
            "[]\n",
            "{'descr': '<f4', 'fortran_order': False}\n",
            "{'descr': '<f4', 'shape': (8,)}\n",
            "{'fortran_order': False, 'shape': (8,)}\n",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (8,), 'more': 1}\n",
            "{'descr': '<f4' 'fortran_order': False, 'shape': (8,)}\n",
            "{'descr': '<f4',, 'fortran_order': False, 'shape': (8,)}\n",
            "{'descr', '<f4', 'fortran_order', False, 'shape', (8,)}\n",
            "{descr: '<f4', fortran_order: False, shape: (8,)}\n",
        ] {
            wrong.push(text.to_owned());
        }
        for text in wrong {
            assert_eq!(read(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(read(b"{'descr': '<f4\xff', 'fortran_order': False, 'shape': (8,)}\n"), None);
    }

    /// Blanks as Python allows them between any two tokens.
    fn blanks() -> impl Strategy<Value = String> {
        "[ \t\n\r\x0c]{0,2}"
    }

    /// An extent, and how it is written.
    fn extent() -> impl Strategy<Value = (usize, String)> {
        let extents = prop_oneof![0usize..300, any::<usize>()];
        (extents, any::<bool>())
            .prop_map(|(extent, is_long)| (extent, format!("{extent}{}", if is_long { "L" } else { "" })))
    }

    proptest! {
        #[test]
        fn any_spelling_is_read_back(
            descr in "[<>|=]?[a-zA-Z][0-9]{1,2}",
            is_fortran: bool,
            extents in prop::collection::vec(extent(), 0..5),
            quotes in prop::collection::vec(prop::sample::select(&['\'', '"'][..]), 4),
            order in Just([0, 1, 2]).prop_shuffle(),
            ends_in_comma: [bool; 2],
            blanks in prop::collection::vec(blanks(), 64),
        ) {
            let quoted = |at: usize, text: &str| format!("{0}{text}{0}", quotes[at]);
            let mut shape = Vec::new();
            for (_, written) in &extents {
                shape.extend([written.clone(), ",".to_owned()]);
            }
            if extents.len() > 1 && !ends_in_comma[0] {
                shape.pop();
            }
            let shape = [vec!["(".to_owned()], shape, vec![")".to_owned()]].concat();
            let items = [
                (quoted(0, "descr"), vec![quoted(3, &descr)]),
                (quoted(1, "fortran_order"), vec![if is_fortran { "True" } else { "False" }.to_owned()]),
                (quoted(2, "shape"), shape),
            ];
            let mut tokens = vec!["{".to_owned()];
            for at in order {
                let (key, value) = items[at].clone();
                tokens.extend([key, ":".to_owned()]);
                tokens.extend(value);
                tokens.push(",".to_owned());
            }
            if !ends_in_comma[1] {
                tokens.pop();
            }
            tokens.push("}".to_owned());
            let text: String = tokens.iter().zip(blanks.iter().cycle()).flat_map(|(token, blanks)| [blanks, token]).cloned().collect();
            let text = format!("{text}  \n");
            let extents: Vec<usize> = extents.iter().map(|(extent, _)| *extent).collect();
            prop_assert_eq!(read(text.as_bytes()), numbers(&descr, is_fortran, &extents), "{:?}", text);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            read(&bytes);
        }

        #[test]
        fn any_tokens_are_survived(
            tokens in prop::collection::vec(
                prop::sample::select(&["{", "}", "(", ")", "[", "'", "\"", "'descr'", "'<f4'", "'fortran_order'", "'shape'",
                    ":", ",", "False", "8", "L", "\\", "\\x", "é", " ", "\n"][..]),
                0..20,
            ),
        ) {
            let text = format!("{{{}\n", tokens.concat());
            read(text.as_bytes());
        }
    }
}
