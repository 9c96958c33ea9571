import Digest
import Foundation
import Mustache
import ReportTemplates
import RunEvents

/// `report.html`: one file without network, that opens from a disk and from a CI artifact.
///
/// What came from a lab is cleaned of control characters and bidirectional overrides, then escaped: as HTML where it
/// stands in the page, as JSON without `<`, `>` and `&` where the script reads it, which makes text nodes of it only.
/// The page's policy allows that one script and that one style sheet, by digest, and nothing else.
public final class HTMLReporter: Reporter {
    private let file: ReportFile

    /// - Parameter path: the file, `report.html` of the report folder or what `--html` names.
    public init(path: String) { file = ReportFile(path: path) }

    public func finish(_ report: RunReport) throws {
        try file.replace(with: Data(try Self.page(report).utf8))
    }

    /// The page of a report.
    public static func page(_ report: RunReport) throws -> String {
        MustacheContentTypes.register(HTMLEscaping(), named: "LABRUN_HTML")
        let template = try MustacheTemplate(string: ReportTemplates.page)
        var context = HTMLPage(report).context
        let script = ReportTemplates.script
        let style = ReportTemplates.style
        context["script"] = script
        context["style"] = style
        context["policy"] =
            "default-src 'none'; script-src '\(source(script))'; style-src '\(source(style))'; base-uri 'none'; "
            + "form-action 'none'"
        context["data"] = try HTMLData(report).json()
        return template.render(context)
    }

    /// A text as a source of a content security policy (CSP level 3): `sha256-` and the digest in base 64.
    static func source(_ text: String) -> String {
        let hex = Array(SHA256Digest.hex(of: Array(text.utf8)).utf8)
        let bytes = stride(from: 0, to: hex.count, by: 2).compactMap {
            UInt8(String(decoding: hex[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
        return "sha256-" + Data(bytes).base64EncodedString()
    }
}

/// Escapes scalar by scalar, and cleans; the template engine's own HTML type looks at characters, and does not see the
/// `<` of one that carries a combining mark.
private struct HTMLEscaping: MustacheContentType {
    func escapeText(_ text: String) -> String { Markup.escaped(PlainText.line(text, limit: 4_000)) }
}
