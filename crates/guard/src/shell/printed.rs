//! What `printf` makes of its words (POSIX.1-2024, XCU `printf`): in a substitution it becomes words of a command.

use super::lexer::Word;

/// A longer text is not followed.
const MAX_PRINTED: usize = 4_096;

/// The text that is printed, the format being used until all words are; none where that is not told here: precisions,
/// other conversions, and escapes that spell characters.
pub(super) fn by_printf(words: &[Word]) -> Option<String> {
    let words = words.iter().map(|word| word.text.as_str()).skip_while(|text| *text == "--");
    let mut arguments: Vec<&str> = words.collect();
    arguments.reverse();
    let format = arguments.pop().unwrap_or_default();
    let mut printed = String::new();
    loop {
        let before = arguments.len();
        let mut letters = format.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => {
                    let is_flag = |letter: char| matches!(letter, '-' | '+' | ' ' | '#') || letter.is_ascii_digit();
                    let conversion = letters.find(|letter| !is_flag(*letter))?;
                    match conversion {
                        '%' => printed.push('%'),
                        's' | 'b' | 'q' | 'd' | 'i' | 'u' => {
                            let argument = arguments.pop().unwrap_or_default();
                            if argument.contains('\\') {
                                return None;
                            }
                            printed.push_str(argument);
                        }
                        _ => return None,
                    }
                }
                '\\' => match letters.next()? {
                    'n' => printed.push('\n'),
                    't' => printed.push('\t'),
                    '\\' => printed.push('\\'),
                    _ => return None,
                },
                letter => printed.push(letter),
            }
        }
        if printed.len() > MAX_PRINTED {
            return None;
        }
        if arguments.is_empty() || arguments.len() == before {
            return Some(printed);
        }
    }
}
