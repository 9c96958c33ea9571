extension DebianArchive {
    func resolve(_ controlPlane: ControlPlaneRecipe, scratch: String) async throws -> ResolvedControlPlane {
        try await refreshIndex(of: controlPlane.suite, sources: true, scratch: scratch)
        let found = try await entries(of: controlPlane.packages, scratch)
        let packages = try controlPlane.packages.map { name in
            guard let package = found[name] else {
                throw ImageError(.packagesUnusable, "Debian \(controlPlane.suite) has no package \(name)")
            }
            return package
        }
        let words = ["-c", scratch + "/apt.conf", "showsrc", "--only-source", controlPlane.sourcePackage]
        let stanzas: String
        do {
            stanzas = try await BuildTool.run("apt-cache", words)
        } catch let error as ImageError where error.code == .toolFailed {
            throw ImageError(
                .packagesUnusable, "Debian \(controlPlane.suite) has no source \(controlPlane.sourcePackage)",
                cause: error)
        }
        return ResolvedControlPlane(
            recipe: controlPlane, source: try Self.source(controlPlane, in: stanzas), packages: packages)
    }

    /// Finds the recipe's source in the entries of an index of sources.
    static func source(_ recipe: ControlPlaneRecipe, in stanzas: String) throws(ImageError) -> DebianSource {
        var others: [String] = []
        for stanza in PackageStanza.all(in: stanzas) where stanza.fields["Package"] == recipe.sourcePackage {
            let source = try stanza.source()
            // Debian's own number may count on from a version that was taken back: `1.20.5+really1.20.2-1`.
            let upstream = source.version.prefix { $0 != "-" }
            let parts = upstream.split(separator: "+").map { $0.hasPrefix("really") ? $0.dropFirst(6) : $0[...] }
            if parts.last.map(String.init) == recipe.version { return source }
            others.append(source.version)
        }
        throw ImageError(
            .packagesUnusable,
            "Debian \(recipe.suite) has \(recipe.sourcePackage) in version \(others.joined(separator: ", ")) now, not "
                + recipe.version,
            mend: "give servers of your own with --control-plane-bin")
    }

    func download(_ source: DebianSource, scratch: String) async throws -> [String] {
        do {
            let words = ["-qq", "source", "--download-only", "--only-source", "\(source.name)=\(source.version)"]
            try await apt("apt-get", words, scratch)
        } catch let error as ImageError where error.code == .toolFailed {
            throw Self.download(of: "the source of \(source.name)", failed: error)
        }
        return try source.files.map { file in
            let path = "\(scratch)/\(file.name)"
            guard ImageCache.size(of: path) != nil else {
                throw ImageError(.downloadFailed, "apt-get source left no \(file.name)")
            }
            return path
        }
    }
}
