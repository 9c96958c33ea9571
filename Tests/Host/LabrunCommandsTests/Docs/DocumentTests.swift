import Diagnosis
import Foundation
import LabrunCommands
import ShippedScenarios
import Testing

/// The documents are true: generated parts are as the program would write them, and links have targets.
@Suite struct DocumentTests {
    private static let root = URL(filePath: #filePath, directoryHint: .notDirectory).deletingLastPathComponent()
        .appending(path: "../../../..").standardizedFileURL

    @Test("Generated documents are what `labrun docs` writes", arguments: ReferenceDocuments.all.map(\.path))
    func generated(path: String) throws {
        let document = try #require(ReferenceDocuments.all.first { $0.path == path })
        let text = try String(contentsOf: Self.root.appending(path: path), encoding: .utf8)
        #expect(
            document.text(replacing: text) == text, "\(path) is out of date; write it with: .build/debug/labrun docs")
    }

    @Test("Every shipped scenario is in the generated tables")
    func allScenarios() throws {
        let readme = try String(contentsOf: Self.root.appending(path: "README.md"), encoding: .utf8)
        let missing = ShippedScenarios.names.filter { !readme.contains("](scenarios/\($0).yaml)") }
        #expect(missing.isEmpty)
    }

    @Test("The scenario format says of every diagnosis from which evidence it is found")
    func allDiagnoses() throws {
        let format = Self.root.appending(path: "docs/reference/scenario-format.md")
        let rows = try String(contentsOf: format, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("| `") }
        let missing = Diagnosis.ids.filter { id in
            !rows.contains { $0.split(separator: "|").first?.contains("`\(id)`") == true }
        }
        #expect(missing.isEmpty)
    }

    @Test("Every relative link in a document leads to a file, and to a heading where it names one")
    func links() throws {
        let documents = try Self.documents()
        #expect(documents.count > 20)
        let broken = try documents.flatMap { document in
            try Self.links(in: document).filter { !Self.resolves($0, from: document) }.map { "\(document): \($0)" }
        }
        #expect(broken.isEmpty)
    }

    @Test("Every document below docs is in the index")
    func index() throws {
        let index = "docs/README.md"
        let listed = Set(
            try Self.links(in: index).map {
                Self.root.appending(path: "docs/" + Self.split($0).path).standardizedFileURL.path
            })
        let missing = try Self.documents().filter { path in
            path.hasPrefix("docs/") && path != index
                && !listed.contains(Self.root.appending(path: path).standardizedFileURL.path)
        }
        #expect(missing.isEmpty)
    }

    @Test(
        "Files and folders that CONTRIBUTING names are there",
        arguments: ["CONTRIBUTING.md", "docs/how-to/add-a-fault.md"])
    func namedFiles(document: String) throws {
        let text = try String(contentsOf: Self.root.appending(path: document), encoding: .utf8)
        let paths = text.matches(of: /`((?:Sources|Tests|docs|bpf|lab|scenarios|reports|bench)\/[^`\s]*)`/)
            .map { String($0.1) }.filter { !$0.contains("<") && !$0.contains("NAME") && !$0.contains("NNNN") }
        #expect(!paths.isEmpty)
        let missing = paths.filter { !FileManager.default.fileExists(atPath: Self.root.appending(path: $0).path) }
        #expect(missing.isEmpty)
    }

    @Test(
        "The architecture has a line for every module", arguments: ["Shared", "Kernel", "Guest", "Host", "Executables"])
    func modules(floor: String) throws {
        let map = Self.root.appending(path: "docs/explanation/architecture.md")
        let text = try String(contentsOf: map, encoding: .utf8)
        let folder = Self.root.appending(path: "Sources/\(floor)")
        let modules = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { !$0.hasPrefix(".") }
        #expect(!modules.isEmpty)
        #expect(modules.filter { !text.contains("`\($0)`") } == [])
    }

    @Test(
        "A link that leads nowhere is noticed",
        arguments: ["missing.md", "README.md#no-such-heading", "#no-such-heading", "docs/nothing/"])
    func broken(link: String) {
        #expect(!Self.resolves(link, from: "README.md"))
    }

    /// The Markdown files of the checkout, relative to its root. Hidden folders such as `.build` are left out.
    private static func documents() throws -> [String] {
        let files = try #require(
            FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil, options: [.skipsHiddenFiles]))
        return files.compactMap { $0 as? URL }.filter { $0.pathExtension == "md" }
            .map { String($0.standardizedFileURL.path.dropFirst(root.path.count + (root.path.hasSuffix("/") ? 0 : 1))) }
            .sorted()
    }

    /// The targets of links and pictures, except those with a scheme. Code blocks contain no links.
    private static func links(in document: String) throws -> [String] {
        prose(of: try String(contentsOf: root.appending(path: document), encoding: .utf8))
            .matches(of: /\]\(([^)\s]+)\)/).map { String($0.1) }
            .filter { !$0.contains("://") && !$0.hasPrefix("mailto:") }
    }

    private static func resolves(_ link: String, from document: String) -> Bool {
        let (path, heading) = split(link)
        let folder = root.appending(path: document).deletingLastPathComponent()
        let file = path.isEmpty ? root.appending(path: document) : folder.appending(path: path).standardizedFileURL
        guard FileManager.default.fileExists(atPath: file.path) else { return false }
        guard let heading else { return true }
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return false }
        return prose(of: text).split(separator: "\n").contains { $0.hasPrefix("#") && anchor(of: $0) == heading }
    }

    private static func split(_ link: String) -> (path: String, heading: String?) {
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return (parts[0], parts.count > 1 ? parts[1] : nil)
    }

    /// The text without its fenced code blocks.
    private static func prose(of text: String) -> String {
        var isCode = false
        return text.split(separator: "\n", omittingEmptySubsequences: false).filter { line in
            if line.hasPrefix("```") {
                isCode.toggle()
                return false
            }
            return !isCode
        }.joined(separator: "\n")
    }

    /// The anchor that GitHub and GitLab give to a heading: lower case, dashes for spaces, no other punctuation.
    private static func anchor(of heading: Substring) -> String {
        String(
            heading.drop { $0 == "#" || $0 == " " }.lowercased().compactMap { character -> Character? in
                character == " "
                    ? "-" : character.isLetter || character.isNumber || "-_".contains(character) ? character : nil
            })
    }
}
