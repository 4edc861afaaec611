//! A reader of Fossil deltas as the format's page describes them, without a thought for speed.

/// What `delta` makes of `base`, or what is wrong with it.
pub fn apply(base: &[u8], delta: &[u8]) -> Result<Vec<u8>, String> {
    let mut rest = delta;
    let length = number(&mut rest);
    expect(&mut rest, b'\n')?;
    let mut target: Vec<u8> = Vec::new();
    loop {
        let count = number(&mut rest);
        let (&sign, behind) = rest.split_first().ok_or("no checksum")?;
        rest = behind;
        match sign {
            b'@' => {
                let place = number(&mut rest);
                expect(&mut rest, b',')?;
                let copied = base
                    .get(place..place + count)
                    .ok_or("a copy of what is not there")?;
                target.extend_from_slice(copied);
            }
            b':' => {
                let (inserted, behind) = rest.split_at_checked(count).ok_or("an insertion cut short")?;
                target.extend_from_slice(inserted);
                rest = behind;
            }
            b';' if !rest.is_empty() => return Err("more behind the checksum".to_owned()),
            b';' if target.len() != length => return Err("not the length that was said".to_owned()),
            b';' if sum(&target) != count => return Err("not the checksum that was said".to_owned()),
            b';' => return Ok(target),
            other => return Err(format!("no operation is called {:?}", char::from(other))),
        }
    }
}

fn number(rest: &mut &[u8]) -> usize {
    let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
    let mut number = 0;
    while let Some((&byte, behind)) = rest.split_first() {
        let Some(digit) = digits.find(char::from(byte)) else {
            break;
        };
        number = number * 64 + digit;
        *rest = behind;
    }
    number
}

fn expect(rest: &mut &[u8], sign: u8) -> Result<(), String> {
    *rest = rest
        .strip_prefix(&[sign])
        .ok_or(format!("no {:?}", char::from(sign)))?;
    Ok(())
}

fn sum(text: &[u8]) -> usize {
    let mut sum = 0;
    for (at, &byte) in text.iter().enumerate() {
        sum = (sum + (usize::from(byte) << (8 * (3 - at % 4)))) % (1 << 32);
    }
    sum
}
