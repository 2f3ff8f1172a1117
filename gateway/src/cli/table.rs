//! Tables for people: aligned columns, two blanks apart.

/// `rows` under `headers`, a line each; the last column is not padded.
pub(super) fn render_table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
    let lines = || std::iter::once(&head).chain(rows);
    let widths: Vec<usize> = (0..headers.len())
        .map(|column| {
            let cells = lines().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines() {
        let padded: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["shop".to_owned(), "é".to_owned(), "x".to_owned()], {
            vec!["a".to_owned(), "bbb".to_owned(), String::new()]
        }];
        assert_eq!(
            render_table(&["ID", "S", "LAST"], &rows),
            "ID    S    LAST\nshop  é    x\na     bbb\n"
        );
    }

    #[test]
    fn empty_list_is_its_header() {
        assert_eq!(render_table(&["ID", "STATUS"], &[]), "ID  STATUS\n");
    }
}
