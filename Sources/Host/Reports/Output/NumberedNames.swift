extension [String] {
    /// The names in their order, each once: a name that occurs again gets a number, as `web`, `web-2`, `web-3`. No such
    /// name is one of the others.
    package var numbered: [String] {
        var taken = Set(self)
        var seen: Set<String> = []
        return map { name in
            if seen.insert(name).inserted { return name }
            var number = 2
            while !taken.insert("\(name)-\(number)").inserted { number += 1 }
            return "\(name)-\(number)"
        }
    }
}
