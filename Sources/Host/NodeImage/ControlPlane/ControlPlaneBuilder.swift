import Foundation
import Glibc
import LinuxKernel

/// Compiles the servers of a control plane and puts them, etcd and kubectl into one folder.
struct ControlPlaneBuilder {
    let resolved: ResolvedControlPlane
    /// The file of each package, and of each of the source's tarballs, by SHA-256.
    let file: @Sendable (_ sha256: String) -> String
    /// An empty folder for all that is needed while building.
    let work: String
    let progress: ControlPlaneProgress

    /// Bytes that `work` and the programs take at most, rounded up.
    static let neededBytes = 2_200_000_000

    private var recipe: ControlPlaneRecipe { resolved.recipe }
    private var packages: String { work + "/packages" }
    private var tree: String { work + "/gopath/src/k8s.io/kubernetes" }
    private var toolchain: GoToolchain {
        GoToolchain(root: packages + "/usr/lib/go-1.19", sources: work + "/gopath", work: work + "/go")
    }

    /// Writes the programs into the empty folder `output`, synced.
    ///
    /// - Throws: ``ImageError`` or `CancellationError`; what it left in the two folders is of no use then.
    func build(into output: String) async throws -> [ControlPlaneManifest.Program] {
        progress.begin(.unpack)
        try await unpack()
        try toolchain.prepare()
        try replaceReflection()
        try write(ControlPlaneRecipe.main, to: "\(tree)/cmd/\(ControlPlaneRecipe.binary)/main.go")
        progress.end(.unpack)

        try await compileGenerator()
        // The generator reads on one processor, while the other one compiles what needs no generated code.
        async let described: Void = describe()
        try await compile([
            "./cmd/kube-controller-manager/app", "./cmd/kube-scheduler/app", "./pkg/controlplane/reconcilers",
        ])
        try await described
        let binary = "\(output)/\(ControlPlaneRecipe.binary)"
        try await compile(["-ldflags", recipe.linkerFlags, "-o", binary, "./cmd/\(ControlPlaneRecipe.binary)"])
        progress.end(.servers)

        progress.begin(.finish)
        var programs = [ControlPlaneRecipe.binary]
        for (package, path) in ControlPlaneRecipe.prebuilt {
            let name = (path as NSString).lastPathComponent
            guard ImageCache.size(of: "\(packages)/\(path)") != nil else {
                throw ImageError(.packagesUnusable, "package \(package) has no \(path)")
            }
            try ImageCache.rename("\(packages)/\(path)", "\(output)/\(name)")
            programs.append(name)
        }
        for server in ControlPlaneRecipe.servers {
            try system("symlink", server) { symlink(ControlPlaneRecipe.binary, "\(output)/\(server)") }
        }
        return try programs.sorted().map { name in
            let path = "\(output)/\(name)"
            try system("chmod", path) { chmod(path, 0o755) }
            try ImageCache.sync(path)
            let (bytes, sha256) = try FileSource.measure(path)
            return ControlPlaneManifest.Program(name: name, bytes: bytes, sha256: sha256)
        }
    }

    // MARK: Sources

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

    // MARK: Compiling

    private func compileGenerator() async throws {
        progress.begin(.generator)
        let progress = progress
        try await toolchain.build(["-o", generator, "./vendor/k8s.io/kube-openapi/cmd/openapi-gen"]) { _ in
            progress.compiled(.generator)
        }
        progress.end(.generator)
    }

    private var generator: String { work + "/openapi-gen" }

    /// Generates the description of the API's types (`zz_generated.openapi.go`), which upstream's tarball lacks.
    private func describe() async throws {
        progress.begin(.description)
        let staging = "staging/src/k8s.io"
        let parts = try ImageCache.names(in: "\(tree)/\(staging)").filter {
            $0 != "code-generator" && !$0.hasPrefix("sample-")
        }
        let marked = try await BuildTool.run(
            "grep",
            ["-rlE", "--include=*.go", #"^// *\+k8s:openapi-gen="#, "pkg", "cmd", "plugin"]
                + parts.map { "\(staging)/\($0)" }, in: tree)
        let report = work + "/violations"
        let target = "k8s.io/kubernetes/pkg/generated/openapi"
        try await BuildTool.follow(
            generator,
            [
                "--logtostderr", "-i", Self.importPaths(marked).joined(separator: ","), "-p", target,
                "-O", "zz_generated.openapi", "-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt", "-r",
                report,
            ], environment: toolchain.environment, in: tree
        ) { _ in }
        let known = tree + "/api/api-rules/violation_exceptions.list"
        guard let found = FileManager.default.contents(atPath: report),
            found == FileManager.default.contents(atPath: known)
        else {
            throw ImageError(
                .packagesUnusable, "the API's description is not the one that \(resolved.source.name) was released with"
            )
        }
        progress.end(.description)
    }

    /// Turns the files that `grep` found into the import paths of their folders, sorted, each once. What is staged is
    /// imported as vendored.
    static func importPaths(_ files: String) -> [String] {
        let folders = files.split(whereSeparator: \.isNewline).map { file -> String in
            let folder = (String(file) as NSString).deletingLastPathComponent
            let staged = "staging/src/"
            return "k8s.io/kubernetes/"
                + (folder.hasPrefix(staged) ? "vendor/" + folder.dropFirst(staged.count) : folder)
        }
        return Set(folders).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private func compile(_ options: [String]) async throws {
        progress.begin(.servers)
        let progress = progress
        try await toolchain.build(["-tags", recipe.tags.joined(separator: ",")] + options) { _ in
            progress.compiled(.servers)
        }
    }

    // MARK: Files

    private func write(_ text: String, to path: String) throws {
        try ImageCache.makeDirectory((path as NSString).deletingLastPathComponent)
        let sink = try FileSink(path)
        try sink.write(text)
        try sink.finish()
    }

    private func system(_ call: String, _ subject: String, _ body: () -> Int32) throws {
        do throws(SystemError) {
            try check(call, subject) { body() }
        } catch {
            throw ImageError.cache(error, "storing the control plane's programs")
        }
    }
}
