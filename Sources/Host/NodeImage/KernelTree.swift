import Digest
import Foundation

/// A kernel that is ready for nodes: the bootable file, and the decompressed modules in the order in which they are
/// loaded.
struct KernelTree: Sendable, Codable, Equatable {
    struct Module: Sendable, Codable, Equatable {
        /// The path below `/lib/modules/<release>/`, without the suffix of a compression.
        let path: String
        let bytes: Int
        let sha256: String
    }

    let release: String
    let kernelBytes: Int
    let kernelSHA256: String
    /// The modules that are loaded at boot, in this order.
    let modules: [Module]
    /// The modules that are loaded when the kernel asks for them.
    let modulesOnDemand: [Module]
    /// The node's `etc/labrun/modules.demand`: which module stands for which name, and what each needs.
    let demandIndex: String

    static func digest(of recipe: ImageRecipe, _ kernel: ResolvedKernel) -> String {
        var lines = ["labrun kernel tree \(ImageRecipe.version)", "release \(kernel.release)"]
        lines += kernel.packages.map { "package \($0.name) \($0.version) \($0.sha256)" }
        lines += recipe.modules.map { "module \($0)" }
        lines += recipe.modulesOnDemand.map { "on demand \($0)" }
        return SHA256Digest.hex(of: Array(lines.joined(separator: "\n").utf8))
    }

    /// Reads the tree in `directory`. The result is nil if it is missing or a file does not have its recorded size.
    static func load(_ directory: String) -> KernelTree? {
        guard let data = FileManager.default.contents(atPath: directory + "/manifest.json"),
            let tree = try? JSONDecoder().decode(KernelTree.self, from: data),
            ImageCache.size(of: directory + "/kernel") == tree.kernelBytes,
            (tree.modules + tree.modulesOnDemand).allSatisfy({
                ImageCache.size(of: "\(directory)/modules/\($0.path)") == $0.bytes
            })
        else { return nil }
        return tree
    }
}

/// Makes a ``KernelTree`` out of Debian packages.
struct KernelTreeBuilder {
    let recipe: ImageRecipe
    let kernel: ResolvedKernel
    let makeSink: SinkFactory

    /// Unpacks `debs` below `scratch` and writes the tree into the new directory `output`.
    func build(debs: [String], scratch: String, output: String) async throws {
        let root = scratch + "/root"
        try ImageCache.makeDirectory(root)
        for deb in debs { try await BuildTool.run("dpkg-deb", ["-x", deb, root]) }
        let modules = try await modulesDirectory(root)
        let dependencies = ModuleDependencies(
            dep: try text(modules + "/modules.dep"), builtin: (try? text(modules + "/modules.builtin")) ?? "")
        let order = try dependencies.loadOrder(of: recipe.modules)
        let demanded = try dependencies.loadOrder(of: recipe.modulesOnDemand).filter { !order.contains($0) }

        let kernelFile = try await bootable(root, modules: modules, scratch: scratch)
        let (kernelBytes, kernelSHA256) = try copy(kernelFile, to: output + "/kernel")
        var kept: [KernelTree.Module] = []
        let all = order + demanded
        for (path, file) in zip(all, try await decompressed(all.map { modules + "/" + $0 })) {
            let plain = ModuleDependencies.uncompressed(path)
            let (bytes, sha256) = try copy(file, to: "\(output)/modules/\(plain)")
            kept.append(.init(path: plain, bytes: bytes, sha256: sha256))
        }
        let tree = KernelTree(
            release: kernel.release, kernelBytes: kernelBytes, kernelSHA256: kernelSHA256,
            modules: Array(kept.prefix(order.count)), modulesOnDemand: Array(kept.dropFirst(order.count)),
            demandIndex: dependencies.demandIndex(
                of: all, aliases: (try? text(modules + "/modules.alias")) ?? ""))
        let sink = try makeSink(output + "/manifest.json")
        try JSONEncoder.stable.encode(tree).withUnsafeBytes { try sink.write($0) }
        try sink.finish()
    }

    /// Returns the directory `lib/modules/<release>` with `modules.dep`, which Debian's packages make only when they
    /// are installed.
    private func modulesDirectory(_ root: String) async throws -> String {
        let link = root + "/lib"
        if !FileManager.default.fileExists(atPath: link + "/modules") {
            // Debian 13's packages have /usr/lib/modules only, while depmod looks below lib/.
            try? FileManager.default.removeItem(atPath: link)
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "usr/lib")
        }
        let directory = "\(root)/lib/modules/\(kernel.release)"
        guard FileManager.default.fileExists(atPath: directory) else {
            throw ImageError(.kernelPackageUnusable, "the packages of \(kernel.release) hold no modules")
        }
        if !["modules.dep", "modules.alias"].allSatisfy({
            FileManager.default.fileExists(atPath: "\(directory)/\($0)")
        }) {
            try await BuildTool.run("depmod", ["-b", root, kernel.release])
        }
        return directory
    }

    /// Returns the kernel file that boots fastest. QEMU enters an uncompressed kernel with a PVH note directly, which
    /// saves the decompression (0.2 s of 2.0 s under software emulation).
    private func bootable(_ root: String, modules: String, scratch: String) async throws -> String {
        let candidates = ["\(root)/boot/vmlinuz-\(kernel.release)", modules + "/vmlinuz"]
        guard let compressed = candidates.first(where: FileManager.default.fileExists) else {
            throw ImageError(.kernelPackageUnusable, "the packages of \(kernel.release) hold no kernel")
        }
        guard let image = BzImage(try Data(contentsOf: URL(filePath: compressed))) else { return compressed }
        let payload = "\(scratch)/vmlinux.\(image.compression.rawValue)"
        let plain = scratch + "/vmlinux"
        let sink = try makeSink(payload)
        try image.payload.withUnsafeBytes { try sink.write($0) }
        try sink.finish()
        let (tool, arguments) = image.compression.command(from: payload, to: plain)
        try await BuildTool.run(tool, arguments)
        let isDirect = BzImage.hasPVHEntry(try Data(contentsOf: URL(filePath: plain), options: .alwaysMapped))
        return isDirect ? plain : compressed
    }

    private func decompressed(_ files: [String]) async throws -> [String] {
        for (suffix, tool) in [(".xz", "xz"), (".zst", "zstd"), (".gz", "gzip")] {
            let packed = files.filter { $0.hasSuffix(suffix) }
            if !packed.isEmpty { try await BuildTool.run(tool, ["-d", "-q", "-f"] + packed) }
        }
        return files.map(ModuleDependencies.uncompressed)
    }

    private func text(_ path: String) throws -> String {
        try String(contentsOf: URL(filePath: path), encoding: .utf8)
    }

    private func copy(_ from: String, to path: String) throws -> (bytes: Int, sha256: String) {
        try ImageCache.makeDirectory((path as NSString).deletingLastPathComponent)
        let sink = try makeSink(path)
        var digest = SHA256Digest()
        var bytes = 0
        try FileSource.read(from) { piece in
            try sink.write(piece)
            digest.update(piece)
            bytes += piece.count
        }
        try sink.finish()
        return (bytes, digest.hex())
    }
}

extension JSONEncoder {
    /// An encoder that gives the same bytes for the same value.
    static var stable: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return encoder
    }
}
