//! Room for numbers.

use super::kernel::Number;

/// Room for the numbers of both sides of a block, where they are of another type than the elements.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    integers: [Vec<i32>; 2],
    singles: [Vec<f32>; 2],
    doubles: [Vec<f64>; 2],
}

/// A number for which there is room.
pub(crate) trait Roomy: Number {
    fn room(scratch: &mut Scratch) -> &mut [Vec<Self>; 2];
}

macro_rules! roomy {
    ($($type:ty, $room:ident;)*) => {$(
        impl Roomy for $type {
            fn room(scratch: &mut Scratch) -> &mut [Vec<$type>; 2] {
                &mut scratch.$room
            }
        }
    )*};
}

roomy! {
    i32, integers;
    f32, singles;
    f64, doubles;
}
