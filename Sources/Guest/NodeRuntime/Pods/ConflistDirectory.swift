import CNI
import Files
import Glibc
import LinuxKernel

/// The directory of CNI configurations (`/etc/cni/net.d`). A datapath that is ready writes its conflist there.
struct ConflistDirectory: Sendable {
    let path: String

    private static let suffixes = [".conflist", ".conf", ".json"]

    /// Full paths of the candidates in lexical order.
    var files: [String] {
        ((try? Directories.names(in: path)) ?? [])
            .filter { name in Self.suffixes.contains { name.hasSuffix($0) } }
            .map { "\(path)/\($0)" }
    }

    /// The first readable one in lexical order, as a kubelet picks it; nil when there is none.
    func first() -> NetworkConfiguration? {
        for file in files {
            guard let contents = try? FileDescriptor.open(file, O_RDONLY).readToEnd(),
                let configuration = try? NetworkConfiguration(path: file, contents: contents)
            else { continue }
            return configuration
        }
        return nil
    }
}
