//! What a reader sees, compared to the letter, plain, on 80 columns.

mod example;
mod telling;
