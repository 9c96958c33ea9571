import Foundation

/// Kubernetes' sources and the compiler, unpacked into a folder of a build.
struct KubernetesSources: Sendable {
    let resolved: ResolvedControlPlane
    /// The file of each package, and of each of the source's tarballs, by SHA-256.
    let file: @Sendable (_ sha256: String) -> String
    /// An empty folder for all that is needed while building.
    let work: String
    /// Where compiled packages are kept; nil for a folder of the build.
    var compiled: String?

    private var recipe: ControlPlaneRecipe { resolved.recipe }
    /// Where the packages are unpacked.
    var packages: String { work + "/packages" }
    /// The folder of the sources.
    var tree: String { work + "/gopath/src/k8s.io/kubernetes" }
    var toolchain: GoToolchain {
        GoToolchain(root: packages + "/usr/lib/go-1.19", sources: work + "/gopath", work: work + "/go", cache: compiled)
    }

    /// Unpacks everything, so that packages of the sources can be compiled.
    ///
    /// - Throws: ``ImageError`` or `CancellationError`; what it left in the folder is of no use then.
    func prepare() async throws {
        try await unpack()
        try toolchain.prepare()
        try replaceReflection()
    }

    private func unpack() async throws {
        for folder in [packages, tree] { try ImageCache.makeDirectory(folder) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await unpackSource() }
            for package in resolved.packages {
                group.addTask { try await BuildTool.run("dpkg-deb", ["-x", file(package.sha256), packages]) }
            }
            try await group.waitForAll()
        }
    }

    /// Unpacks upstream's tarball and applies Debian's patches.
    private func unpackSource() async throws {
        guard let upstream = resolved.source.upstream else {
            throw ImageError(.packagesUnusable, "the source package \(resolved.source.name) has no upstream tarball")
        }
        let top = "kubernetes-\(recipe.version)"
        do {
            // The member's name makes a tarball of another version fail.
            try await BuildTool.run(
                "tar",
                ["-x", "-f", file(upstream.sha256), "-C", tree, "--strip-components=1", "--no-same-owner"]
                    + recipe.leftOut.map { "--exclude=\(top)/\($0)" } + [top])
        } catch let error as ImageError where error.code == .toolFailed {
            throw ImageError(
                .packagesUnusable, "the tarball of \(resolved.source.name) \(resolved.source.version) has no \(top)",
                cause: error)
        }
        guard let additions = resolved.source.additions else { return }
        let debian = work + "/additions"
        try ImageCache.makeDirectory(debian)
        try await BuildTool.run("tar", ["-x", "-f", file(additions.sha256), "-C", debian, "--no-same-owner"])
        let patches = debian + "/debian/patches"
        for patch in Self.series((try? String(contentsOfFile: patches + "/series", encoding: .utf8)) ?? "") {
            try await BuildTool.run(
                "patch", ["-p1", "--batch", "--silent", "-d", tree, "-i", "\(patches)/\(patch)"])
        }
    }

    /// Reads the names of a quilt series: one a line, comments after `#`, options after a space.
    static func series(_ text: String) -> [String] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let name = line.prefix { $0 != "#" }.split(separator: " ").first.map(String.init)
            // A patch lies beside the series, and nowhere else.
            return name.flatMap { $0.split(separator: "/").contains("..") || $0.hasPrefix("/") ? nil : $0 }
        }
    }

    /// Puts Debian's reflect2 in the place of the vendored one. Go 1.18 and later keep maps in another way, and with
    /// the vendored one the API server ends with the first custom resource.
    private func replaceReflection() throws {
        let path = "github.com/modern-go/reflect2"
        let replacement = "\(packages)/usr/share/gocode/src/\(path)"
        guard ImageCache.size(of: replacement) != nil else {
            throw ImageError(.packagesUnusable, "package golang-github-modern-go-reflect2-dev has no \(path)")
        }
        try ImageCache.remove("\(tree)/vendor/\(path)")
        try ImageCache.makeDirectory("\(tree)/vendor/github.com/modern-go")
        try ImageCache.rename(replacement, "\(tree)/vendor/\(path)")
    }
}
