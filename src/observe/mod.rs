//! Looking: async, with deadlines. The types of the AWS SDK end here.
