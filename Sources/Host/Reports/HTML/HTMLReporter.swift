import Digest
import Foundation
import Mustache
import PlainText
import ReportTemplates
import RunEvents

/// Writes `report.html`: one file that needs no network and opens from a disk or from a CI artifact.
///
/// Text from a lab is cleaned of control characters and bidirectional overrides and then escaped: as HTML in the page,
/// and as JSON without `<`, `>` and `&` for the script, which makes only text nodes of it. The page's content security
/// policy allows that one script and that one style sheet by their digests, and nothing else.
public final class HTMLReporter: Reporter {
    private let file: ReportFile

    /// - Parameter path: The file: `report.html` of the report folder, or the one that `--html` names.
    public init(path: String) { file = ReportFile(path: path) }

    public func finish(_ report: RunReport) throws {
        try file.replace(with: Data(try Self.page(report).utf8))
    }

    /// Returns the page of a report.
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

    /// The source expression of a content security policy (CSP level 3) for a text: `sha256-` and the digest in base
    /// 64.
    static func source(_ text: String) -> String {
        let hex = Array(SHA256Digest.hex(of: Array(text.utf8)).utf8)
        let bytes = stride(from: 0, to: hex.count, by: 2).compactMap {
            UInt8(String(decoding: hex[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
        return "sha256-" + Data(bytes).base64EncodedString()
    }
}

/// Cleans and escapes scalar by scalar. The template engine's own HTML type looks at characters and does not see a `<`
/// that carries a combining mark.
private struct HTMLEscaping: MustacheContentType {
    func escapeText(_ text: String) -> String { Markup.escaped(PlainText.line(text, limit: 4_000)) }
}
