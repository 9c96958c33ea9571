import BPF
import CBPFObjects

/// The BPF objects that the executable carries.
public enum EmbeddedObject: String, Sendable, CaseIterable {
    /// The host side of pods' interfaces: `from_container` (ingress), `to_container` (egress).
    case lxc
    /// The VXLAN device: `from_overlay` (ingress), `to_overlay` (egress).
    case overlay
    /// `from_host` (egress of the host device), `from_netdev` (ingress of the node's network device).
    case host
    /// Sockets of a control group: `sock_connect4`, `sock_sendmsg4`, `sock_recvmsg4`, `sock_getpeername4`.
    case sock

    /// Parses the object. The caller sets the pin directory and loads it.
    public func open() throws(LoadFailure) -> Object {
        try Object(name: rawValue, image: Array(embedded: image))
    }

    var image: bpf_object_image {
        switch self {
        case .lxc: bpf_objects_lxc()
        case .overlay: bpf_objects_overlay()
        case .host: bpf_objects_host()
        case .sock: bpf_objects_sock()
        }
    }
}

extension Array<UInt8> {
    /// The bytes of an embedded object.
    init(embedded image: bpf_object_image) {
        self.init(UnsafeBufferPointer(start: image.bytes, count: image.length))
    }
}
