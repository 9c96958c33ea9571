import ArgumentParser
import Files
import Foundation

/// `labrun docs [FOLDER]`: writes what the documentation repeats of the program's own tables. It is for people who
/// change labrun, so `labrun --help` does not list it.
struct DocsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "docs", abstract: "Write the generated parts of the documentation.", shouldDisplay: false)

    @Argument(help: "Root of a checkout.")
    var folder = "."

    func run() throws {
        let root = URL(filePath: folder, directoryHint: .isDirectory)
        for document in ReferenceDocuments.all {
            let file = root.appending(path: document.path)
            let old = try? String(contentsOf: file, encoding: .utf8)
            guard let new = document.text(replacing: old) else {
                throw ValidationError("\(file.path) is missing, or lacks the lines \(ReferenceDocuments.markers)")
            }
            guard new != old else { continue }
            try AtomicFile.write(new, to: file.path)
            try StandardOutput.write(document.path)
        }
    }
}
