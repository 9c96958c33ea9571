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
    /// Where compiled packages are kept; nil for a folder of the build.
    var compiled: String?
    let progress: ControlPlaneProgress

    /// Bytes that `work` and the programs take at most, rounded up.
    static let neededBytes = 2_200_000_000

    private var recipe: ControlPlaneRecipe { resolved.recipe }
    private var sources: KubernetesSources {
        KubernetesSources(resolved: resolved, file: file, work: work, compiled: compiled)
    }
    private var packages: String { sources.packages }
    private var tree: String { sources.tree }
    private var toolchain: GoToolchain { sources.toolchain }

    /// Writes the programs into the empty folder `output`, synced.
    ///
    /// - Throws: ``ImageError`` or `CancellationError`; what it left in the two folders is of no use then.
    func build(into output: String) async throws -> [ControlPlaneManifest.Program] {
        progress.begin(.unpack)
        try await sources.prepare()
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
