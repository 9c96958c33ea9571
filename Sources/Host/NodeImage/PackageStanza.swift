/// One stanza of a Debian package index (`deb822(5)`): `Field: value`, continued on lines that start with a space.
struct PackageStanza: Sendable, Equatable {
    private(set) var fields: [String: String] = [:]

    /// Reads the text up to the first empty line. Lines without a colon are skipped.
    init(_ text: String) {
        var current: String?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.allSatisfy(\.isWhitespace) {
                if fields.isEmpty { continue } else { break }
            }
            if line.first == " " || line.first == "\t" {
                if let current { fields[current, default: ""] += "\n" + line.drop(while: \.isWhitespace) }
            } else if let colon = line.firstIndex(of: ":") {
                let name = String(line[..<colon])
                let value = line[line.index(after: colon)...].drop(while: \.isWhitespace)
                fields[name] = String(value)
                current = name
            }
        }
    }

    /// Returns every stanza of an index. Empty lines separate them.
    static func all(in text: String) -> [PackageStanza] {
        var stanzas: [PackageStanza] = []
        var lines: [Substring] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) + [Substring()] {
            if line.allSatisfy(\.isWhitespace) {
                if !lines.isEmpty { stanzas.append(PackageStanza(lines.joined(separator: "\n"))) }
                lines = []
            } else {
                lines.append(line)
            }
        }
        return stanzas
    }

    /// The names of the packages that this one depends on. Where there are alternatives, the first is taken.
    var dependencies: [String] {
        (fields["Depends"] ?? "").split(separator: ",").compactMap { clause in
            clause.split(whereSeparator: { " (|\n:".contains($0) }).first.map(String.init)
        }
    }

    /// - Throws: ``ImageError`` `kernelPackageUnusable` when the index lacks name, version, size or SHA-256.
    func package() throws(ImageError) -> DebianPackage {
        guard let name = fields["Package"], let version = fields["Version"], let sha256 = fields["SHA256"],
            sha256.count == 64, sha256.allSatisfy(\.isHexDigit), let size = fields["Size"].flatMap({ Int($0) })
        else {
            throw ImageError(.kernelPackageUnusable, "the archive's index entry is incomplete: \(fields.keys.sorted())")
        }
        return DebianPackage(name: name, version: version, sha256: sha256.lowercased(), bytes: size)
    }

    /// Reads the entry of a source package, with the tarballs of its field `Checksums-Sha256` (`SHA256 SIZE NAME` a
    /// line).
    ///
    /// - Throws: ``ImageError`` `packagesUnusable` when the index lacks name, version or tarballs, or a line of it is
    ///   not as it must be.
    func source() throws(ImageError) -> DebianSource {
        guard let name = fields["Package"], let version = fields["Version"], let sums = fields["Checksums-Sha256"]
        else {
            throw ImageError(
                .packagesUnusable, "the archive's index entry of a source is incomplete: \(fields.keys.sorted())")
        }
        var files: [DebianSourceFile] = []
        for line in sums.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ")
            guard words.count == 3, words[0].count == 64, words[0].allSatisfy(\.isHexDigit),
                let bytes = Int(words[1]), bytes >= 0, !words[2].contains("/"), !words[2].hasPrefix(".")
            else {
                throw ImageError(.packagesUnusable, "the archive's index has no checksum in '\(line.prefix(200))'")
            }
            if words[2].hasSuffix(".dsc") || words[2].hasSuffix(".asc") { continue }
            files.append(DebianSourceFile(name: String(words[2]), sha256: words[0].lowercased(), bytes: bytes))
        }
        guard !files.isEmpty else {
            throw ImageError(.packagesUnusable, "the archive's index names no tarball of \(name) \(version)")
        }
        return DebianSource(name: name, version: version, files: files.sorted { $0.name < $1.name })
    }
}
