//! A page of HTML that needs nothing but itself.

use std::fmt::Write;

use super::plot::Chart;

/// Follows the reader's choice of light or dark, fits a narrow screen, prints.
const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--note:#f5a52433;--mark:#2578dc}\
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:1.5rem 1rem 4rem}\
h1{font-size:1.8rem;line-height:1.2;margin:0 0 .3rem}h2{margin:2.5rem 0 .5rem;padding-top:.7rem;border-top:1px solid var(--line)}\
h3{margin:1.5rem 0 .5rem}p{max-width:46rem}\
.tiles{display:flex;flex-wrap:wrap;gap:.8rem;margin:1.2rem 0}\
.tile{background:var(--soft);border-radius:.5rem;padding:.6rem 1rem;min-width:7rem}\
.tile b{display:block;font-size:1.5rem}\
.note{background:var(--note);border-radius:.5rem;padding:.7rem 1rem}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:1rem}\
figure{margin:0}figcaption{font-size:.9rem;opacity:.85;overflow-wrap:anywhere}\
svg,img{max-width:100%;height:auto}\
.faces{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:1rem}\
.faces svg,.faces img{width:100%;border-radius:.3rem;display:block}\
.table{overflow-x:auto}table{border-collapse:collapse;margin:.8rem 0}\
th,td{padding:.25rem .8rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}\
th:first-child,td:first-child{text-align:left}\
pre{background:var(--soft);border-radius:.5rem;padding:.8rem 1rem;overflow-x:auto}\
code{overflow-wrap:anywhere}";

/// Text that may stand between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A page under construction. All text is escaped here; what is HTML already goes through [`Self::html`].
pub(super) struct Page {
    title: String,
    body: String,
}

// Writing to a string cannot fail, so the results of `write` below are not looked at.
impl Page {
    pub(super) fn new(title: &str) -> Self {
        let title = escape(title);
        let body = format!("<h1>{title}</h1>\n");
        Self { title, body }
    }

    pub(super) fn html(&mut self, html: &str) {
        self.body.push_str(html);
    }

    pub(super) fn section(&mut self, heading: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escape(heading));
    }

    pub(super) fn subsection(&mut self, heading: &str) {
        let _ = writeln!(self.body, "<h3>{}</h3>", escape(heading));
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p>{}</p>", escape(text));
    }

    /// Something that must not be overlooked.
    pub(super) fn note(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p class=\"note\">{}</p>", escape(text));
    }

    pub(super) fn code(&mut self, text: &str) {
        let _ = writeln!(self.body, "<pre><code>{}</code></pre>", escape(text));
    }

    /// The figures that matter most.
    pub(super) fn tiles(&mut self, tiles: &[(&str, String)]) {
        self.html("<div class=\"tiles\">\n");
        for (name, value) in tiles {
            let _ = writeln!(
                self.body,
                "<div class=\"tile\"><b>{}</b>{}</div>",
                escape(value),
                escape(name)
            );
        }
        self.html("</div>\n");
    }

    pub(super) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
            cells.fold(String::new(), |row, cell| {
                row + &format!("<{tag}>{}</{tag}>", escape(cell))
            })
        };
        self.html("<div class=\"table\"><table>\n");
        let _ = writeln!(
            self.body,
            "<thead><tr>{}</tr></thead>\n<tbody>",
            cells("th", &mut head.iter().copied())
        );
        for row in rows {
            let _ = writeln!(
                self.body,
                "<tr>{}</tr>",
                cells("td", &mut row.iter().map(String::as_str))
            );
        }
        self.html("</tbody></table></div>\n");
    }

    /// Charts side by side, each with what it shows.
    pub(super) fn charts(&mut self, charts: &[(&Chart, &str)]) {
        self.html("<div class=\"charts\">\n");
        for (chart, caption) in charts {
            let caption = escape(caption);
            let _ = writeln!(
                self.body,
                "<figure>{}<figcaption>{caption}</figcaption></figure>",
                chart.inline(&caption)
            );
        }
        self.html("</div>\n");
    }

    pub(super) fn finish(self) -> String {
        let Self { title, body } = self;
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_html_is_escaped() {
        assert_eq!(
            escape("<a href=\"x\">'&amp;'</a> é"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/a&gt; é"
        );
    }

    #[test]
    fn text_from_outside_never_becomes_markup() {
        const EVIL: &str = "<script>alert(1)</script>\" onload=\"x";
        let mut page = Page::new(EVIL);
        page.section(EVIL);
        page.subsection(EVIL);
        page.paragraph(EVIL);
        page.note(EVIL);
        page.code(EVIL);
        page.tiles(&[(EVIL, EVIL.to_owned())]);
        page.table(&[EVIL], &[vec![EVIL.to_owned()]]);
        let html = page.finish();
        assert!(!html.contains("<script") && !html.contains("\" onload"), "{html}");
        assert_eq!(
            html.matches("&lt;script&gt;").count(),
            11,
            "title, heading, and nine more: {html}"
        );
    }
}
