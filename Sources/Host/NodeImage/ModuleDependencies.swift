/// `modules.dep` and `modules.builtin` of one kernel (kmod, `modules.dep(5)`).
struct ModuleDependencies: Sendable {
    /// Module name → path below the modules directory, for example `kernel/drivers/net/veth.ko.xz`.
    private var paths: [String: String] = [:]
    /// The paths that each path needs.
    private var needs: [String: [String]] = [:]
    private var builtin: Set<String> = []

    /// Lines that are not of the form `path: path…` are skipped, as kmod does.
    init(dep: String, builtin list: String) {
        for line in dep.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let path = String(line[..<colon])
            paths[Self.name(of: path)] = path
            needs[path] = line[line.index(after: colon)...].split(separator: " ").map(String.init)
        }
        builtin = Set(list.split(whereSeparator: \.isNewline).map { Self.name(of: String($0)) })
    }

    /// Returns the paths of the named modules and of all that they need. Each is listed once, after everything that it
    /// needs.
    ///
    /// - Throws: ``ImageError`` with ``ImageError/Code/kernelPackageUnusable`` for a name that the kernel does not
    ///   have.
    func loadOrder(of names: [String]) throws(ImageError) -> [String] {
        var order: [String] = []
        var seen: Set<String> = []
        for name in names {
            if let path = paths[Self.name(of: name)] {
                visit(path, &order, &seen)
            } else if !builtin.contains(Self.name(of: name)) {
                throw ImageError(.kernelPackageUnusable, "the kernel has no module '\(name)'")
            }
        }
        return order
    }

    /// Returns what a node's `modprobe` reads. It has a line `module NAME PATH NEED…` for each module of `order`, with
    /// uncompressed paths, and the needs in the order in which they are loaded. It also has a line `alias PATTERN NAME`
    /// for each line of `modules.alias` that stands for one of them.
    func demandIndex(of order: [String], aliases: String) -> String {
        let names = Set(order.map(Self.name))
        var lines = order.map { path -> String in
            var needed: [String] = []
            var seen: Set<String> = []
            visit(path, &needed, &seen)
            let words = [path] + needed.dropLast()
            return "module \(Self.name(of: path)) " + words.map(Self.uncompressed).joined(separator: " ")
        }
        for line in aliases.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "alias", names.contains(Self.name(of: String(words[2]))) else {
                continue
            }
            // The devices of these buses are found at boot, by the list of modules.
            guard !["pci:", "virtio:", "acpi", "of:", "platform:"].contains(where: words[1].hasPrefix) else { continue }
            lines.append("alias \(words[1]) \(Self.name(of: String(words[2])))")
        }
        return lines.map { $0 + "\n" }.joined()
    }

    private func visit(_ path: String, _ order: inout [String], _ seen: inout Set<String>) {
        guard seen.insert(path).inserted else { return }
        for need in needs[path] ?? [] { visit(need, &order, &seen) }
        order.append(path)
    }

    /// Returns a module's name: `kernel/net/sched/sch-netem.ko.xz` → `sch_netem`. The kernel treats hyphen and
    /// underscore alike.
    static func name(of path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        let stem = file.split(separator: ".").first.map(String.init) ?? file
        return stem.replacing("-", with: "_")
    }

    /// The path that the module has in the node, without the suffix of a compression.
    static func uncompressed(_ path: String) -> String {
        for suffix in [".xz", ".zst", ".gz"] where path.hasSuffix(suffix) {
            return String(path.dropLast(suffix.count))
        }
        return path
    }
}
