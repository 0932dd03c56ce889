"""Small bots in other libraries, which the sandbox must serve as well."""
